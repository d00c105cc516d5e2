# scale_into_linear and pad_into_window: a transposed convolution is zero insertion, padding, convolution.
%0 = input {"name":"x"} : client [1x4x5x5] real
%1 = zero_insert {"factor":[1,1,2,2]} %0 ; name "up"
%2 = pad {"after":[0,0,1,2],"before":[0,0,1,0]} %1 ; name "up"
%3 = weight {"name":"w"} : server [4x1x3x3] real
%4 = conv {"dilation":[1,1],"groups":4,"pads":[0,0,0,0],"stride":[1,1]} %2 %3 ; name "up"
%5 = weight {"name":"s"} : server [4x1x1] real
%6 = mul %4 %5 ; name "bn"
output "y" %6
