# scale_before_bias, then scale_into_linear and biases_merge: one convolution, one bias.
%0 = input {"name":"x"} : client [1x3x8x8] real
%1 = weight {"name":"w"} : server [4x3x1x1] real
%2 = conv {"dilation":[1,1],"groups":1,"pads":[0,0,0,0],"stride":[1,1]} %0 %1 ; name "conv"
%3 = weight {"name":"b"} : server [4x1x1] real
%4 = add %2 %3 ; name "conv"
%5 = weight {"name":"s"} : server [4x1x1] real
%6 = mul %4 %5 ; name "bn"
%7 = weight {"name":"t"} : server [4x1x1] real
%8 = add %6 %7 ; name "bn"
output "y" %8
