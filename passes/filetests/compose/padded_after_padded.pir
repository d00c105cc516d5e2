# The second convolution pads what the first one computes from its own padding: they stay two.
%0 = input {"name":"x"} : client [1x2x6x6] real
%1 = weight {"name":"v"} : server [3x2x3x3] real ; name "first"
%2 = conv {"dilation":[1,1],"groups":1,"pads":[1,1,1,1],"stride":[1,1]} %0 %1 ; name "first"
%3 = weight {"name":"w"} : server [4x3x3x3] real ; name "second"
%4 = conv {"dilation":[1,1],"groups":1,"pads":[1,1,1,1],"stride":[1,1]} %2 %3 ; name "second"
output "y" %4
