# Two matrix products are one.
%0 = input {"name":"x"} : client [1x6] real
%1 = weight {"name":"v"} : server [6x5] real ; name "first"
%2 = matmul %0 %1 ; name "first"
%3 = weight {"name":"a"} : server [5] real ; name "first"
%4 = add %2 %3 ; name "first"
%5 = weight {"name":"w"} : server [5x3] real ; name "second"
%6 = matmul %4 %5 ; name "second"
output "y" %6
