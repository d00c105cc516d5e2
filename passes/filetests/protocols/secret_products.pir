# A product of two secrets by OT; a small product of two secret matrices as elementwise products.
%0 = input {"name":"x"} : client [2x2] real
%1 = weight {"name":"w"} : server [2x2] real
%2 = matmul %0 %1 ; name "q"
%3 = weight {"name":"v"} : server [2x2] real
%4 = matmul %0 %3 ; name "k"
%5 = mul %2 %4 ; name "gate"
%6 = matmul %5 %4 ; name "attention"
output "y" %6
