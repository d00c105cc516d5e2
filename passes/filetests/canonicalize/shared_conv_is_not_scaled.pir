# No rule: two nodes use the convolution, scaling its weights would double it.
%0 = input {"name":"x"} : client [1x1x4x4] real
%1 = weight {"name":"w"} : server [2x1x1x1] real
%2 = conv {"dilation":[1,1],"groups":1,"pads":[0,0,0,0],"stride":[1,1]} %0 %1 ; name "conv"
%3 = weight {"name":"s"} : server [2x1x1] real
%4 = mul %2 %3 ; name "scale"
%5 = add %2 %4 ; name "sum"
output "y" %5
