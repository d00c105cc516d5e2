# Logits are revealed, dequantized, and the client goes on alone.
%0 = input {"name":"x"} : client [1x4] real
%1 = weight {"name":"w"} : server [4x3] real
%2 = matmul %0 %1 ; name "gemm"
%3 = softmax {"axis":1} %2 ; name "softmax"
output "y" %3
