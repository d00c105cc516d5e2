# A pointwise convolution before a padded one: the padding does not see the bias, which becomes a map of the image.
%0 = input {"name":"x"} : client [1x2x4x4] real
%1 = weight {"name":"v"} : server [3x2x1x1] real ; name "pointwise"
%2 = conv {"dilation":[1,1],"groups":1,"pads":[0,0,0,0],"stride":[1,1]} %0 %1 ; name "pointwise"
%3 = weight {"name":"a"} : server [3x1x1] real ; name "pointwise"
%4 = add %2 %3 ; name "pointwise"
%5 = weight {"name":"w"} : server [4x3x3x3] real ; name "padded"
%6 = conv {"dilation":[1,1],"groups":1,"pads":[1,1,1,1],"stride":[1,1]} %4 %5 ; name "padded"
output "y" %6
