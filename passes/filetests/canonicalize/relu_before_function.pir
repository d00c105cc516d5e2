# A ReLU changes no exponential, and comes before a tanh.
%0 = input {"name":"x"} : client [1x4] real
%1 = weight {"name":"w"} : server [4x3] real
%2 = matmul %0 %1 ; name "gemm"
%3 = unary {"function":"Exp"} %2 ; name "exp"
%4 = relu %3 ; name "nothing"
%5 = unary {"function":"Tanh"} %2 ; name "tanh"
%6 = relu %5 ; name "relu"
output "a" %4
output "b" %6
