# The client computes the softmax; its constants are public.
%0 = input {"name":"x"} : client [1x5] real
%1 = weight {"name":"w"} : server [5x3] real
%2 = matmul %0 %1 ; name "gemm"
%3 = softmax {"axis":1} %2 ; name "softmax"
%4 = weight {"name":"prior"} : server [3] real
%5 = mul %3 %4 ; name "prior"
output "logits" %2
output "y" %5
