# exp(x - max x) over its sum is a softmax; of two classes, one is the sigmoid of the difference.
%0 = input {"name":"x"} : client [1x4] real
%1 = weight {"name":"w"} : server [4x2] real
%2 = matmul %0 %1 ; name "gemm"
%3 = reduce_max {"axes":[1],"keep":true} %2 ; name "max"
%4 = sub %2 %3 ; name "below"
%5 = unary {"function":"Exp"} %4 ; name "exp"
%6 = reduce_sum {"axes":[1],"keep":true} %5 ; name "sum"
%7 = div %5 %6 ; name "probabilities"
%8 = slice {"size":[1,1],"start":[0,1],"step":[1,1]} %7 ; name "second"
output "y" %8
