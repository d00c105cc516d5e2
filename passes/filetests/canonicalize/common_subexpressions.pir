# Equal nodes are one; a dead node goes; a uniform constant is a scalar; adding zero changes nothing.
%0 = input {"name":"x"} : client [2x3] real
%1 = relu %0 ; name "a"
%2 = relu %0 ; name "b"
%3 = neg %0 ; name "dead"
%4 = add %1 %2 ; name "sum"
%5 = const {"value":{"Real":[0.0]}} : public [2x3] real
%6 = add %5 %4 ; name "zero"
%7 = const {"value":{"Real":[3.0,3.0,3.0]}} : public [3] real
%8 = max %7 %6 ; name "max"
output "y" %8
