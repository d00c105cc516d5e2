# min(x, 6) = 6 - relu(6 - x): the range of the result is proven, not observed.
%0 = input {"name":"x"} : client [1x8] real
%1 = weight {"name":"w"} : server [8x4] real
%2 = matmul %0 %1 ; name "gemm"
%3 = const {"value":{"Real":[6.0]}} : public [1] real
%4 = sub %3 %2 ; name "clip"
%5 = relu %4 ; name "clip"
%6 = sub %3 %5 ; name "clip"
%7 = relu %6 ; name "clip"
output "y" %7
