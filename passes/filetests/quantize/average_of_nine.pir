# The reciprocal of an area that is no power of two is a constant with 15 fraction bits.
%0 = input {"name":"x"} : client [1x2x3x3] real
%1 = weight {"name":"w"} : server [2x2x1x1] real
%2 = conv {"dilation":[1,1],"groups":1,"pads":[0,0,0,0],"stride":[1,1]} %0 %1 ; name "conv"
%3 = relu %2 ; name "relu"
%4 = sum_pool {"dilation":[1,1],"kernel":[3,3],"pads":[0,0,0,0],"stride":[1,1]} %3 ; name "pool"
%5 = const {"value":{"Real":[0.11111111]}} : public [1] real
%6 = mul %4 %5 ; name "pool"
output "y" %6
