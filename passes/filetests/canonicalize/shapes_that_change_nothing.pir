# shape_identity, reshape_of_reshape, transpose_of_transpose, sum_of_one: everything is one transposition.
%0 = input {"name":"x"} : client [2x3x4x1] real
%1 = reshape {"shape":[6,4]} %0
%2 = reshape {"shape":[2,3,4,1]} %1
%3 = transpose {"perm":[1,0,2,3]} %2
%4 = transpose {"perm":[2,0,1,3]} %3
%5 = slice {"size":[4,3,2,1],"start":[0,0,0,0],"step":[1,1,1,1]} %4
%6 = pad {"after":[0,0,0,0],"before":[0,0,0,0]} %5
%7 = concat {"axis":0} %6
%8 = reduce_sum {"axes":[3],"keep":true} %7
%9 = gather {"axis":0,"indices":[0,1,2,3]} %8
%10 = expand {"shape":[4,3,2,1]} %9
output "y" %10
