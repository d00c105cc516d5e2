# transpose_of_transpose: axes of extent 1 move nothing.
%0 = input {"name":"x"} : client [1x5x1x1] real
%1 = transpose {"perm":[0,2,3,1]} %0
%2 = reshape {"shape":[1,5]} %1
output "y" %2
