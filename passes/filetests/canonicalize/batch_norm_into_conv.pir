# scale_into_linear: the scale goes into the weights, the shift stays as the bias.
%0 = input {"name":"x"} : client [1x3x8x8] real
%1 = weight {"name":"w"} : server [4x3x3x3] real
%2 = conv {"dilation":[1,1],"groups":1,"pads":[1,1,1,1],"stride":[1,1]} %0 %1 ; name "conv"
%3 = weight {"name":"s"} : server [4x1x1] real
%4 = mul %2 %3 ; name "bn.scale"
%5 = weight {"name":"b"} : server [1x4x1x1] real
%6 = add %4 %5 ; name "bn.shift"
output "y" %6
