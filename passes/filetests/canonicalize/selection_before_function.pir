# The client needs the function of two elements only, and of the largest of all.
%0 = input {"name":"x"} : client [1x4] real
%1 = weight {"name":"w"} : server [4x6] real
%2 = matmul %0 %1 ; name "gemm"
%3 = unary {"function":"Sigmoid"} %2 ; name "sigmoid"
%4 = slice {"size":[1,2],"start":[0,1],"step":[1,1]} %3 ; name "some"
%5 = const {"value":{"Real":[2.0]}} : public [1] real
%6 = mul %3 %5 ; name "twice"
%7 = reduce_max {"axes":[1],"keep":true} %6 ; name "largest"
output "some" %4
output "largest" %7
