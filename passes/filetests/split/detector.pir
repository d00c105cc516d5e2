# Box decoding: exp and its offsets at the client, scores beside it.
%0 = input {"name":"x"} : client [1x4] real
%1 = weight {"name":"w"} : server [4x4] real
%2 = matmul %0 %1 ; name "gemm"
%3 = slice {"size":[1,2],"start":[0,0],"step":[1,1]} %2 ; name "centre"
%4 = slice {"size":[1,2],"start":[0,2],"step":[1,1]} %2 ; name "extent"
%5 = unary {"function":"Exp"} %4 ; name "exp"
%6 = const {"value":{"Real":[0.5]}} : public [1] real
%7 = mul %5 %6 ; name "half"
%8 = sub %3 %7 ; name "corner"
output "boxes" %8
