# scale_into_linear along the last axis; the weights on the left scale by rows.
%0 = input {"name":"x"} : client [3x5] real
%1 = weight {"name":"w"} : server [5x4] real
%2 = matmul %0 %1 ; name "gemm"
%3 = weight {"name":"s"} : server [4] real
%4 = mul %2 %3 ; name "bn"
%5 = weight {"name":"l"} : server [2x3] real
%6 = matmul %5 %4 ; name "left"
%7 = weight {"name":"r"} : server [2x1] real
%8 = mul %7 %6 ; name "rows"
output "y" %8
