# div_constant_is_mul, sub_constant_is_add: what remains is a bias on the input, the scale is in the weights.
%0 = input {"name":"x"} : client [1x1x4x4] real
%1 = const {"value":{"Real":[127.0]}} : public [1] real
%2 = sub %0 %1 ; name "sub"
%3 = const {"value":{"Real":[128.0]}} : public [1] real
%4 = div %2 %3 ; name "div"
%5 = weight {"name":"w"} : server [2x1x3x3] real
%6 = conv {"dilation":[1,1],"groups":1,"pads":[1,1,1,1],"stride":[1,1]} %4 %5 ; name "conv"
output "y" %6
