# fold_constants: computed in the clear; what a weight took part in stays the server's.
%0 = input {"name":"x"} : client [2x3] real
%1 = weight {"name":"w"} : server [3x3] real
%2 = transpose {"perm":[1,0]} %1
%3 = const {"value":{"Real":[2.0]}} : public [] real
%4 = mul %2 %3
%5 = add %4 %1
%6 = matmul %0 %5 ; name "gemm"
%7 = const {"value":{"Real":[1.0,2.0,3.0]}} : public [3] real
%8 = neg %7
%9 = add %6 %8 ; name "shift"
output "y" %9
