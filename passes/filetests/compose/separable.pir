# A depthwise and a pointwise convolution are one dense convolution; the bias between them goes through the second one.
%0 = input {"name":"x"} : client [1x2x6x6] real
%1 = weight {"name":"v"} : server [2x1x3x3] real ; name "depthwise"
%2 = conv {"dilation":[1,1],"groups":2,"pads":[1,1,1,1],"stride":[2,2]} %0 %1 ; name "depthwise"
%3 = weight {"name":"a"} : server [2x1x1] real ; name "depthwise"
%4 = add %2 %3 ; name "depthwise"
%5 = weight {"name":"w"} : server [4x2x1x1] real ; name "pointwise"
%6 = conv {"dilation":[1,1],"groups":1,"pads":[0,0,0,0],"stride":[1,1]} %4 %5 ; name "pointwise"
%7 = weight {"name":"b"} : server [4x1x1] real ; name "pointwise"
%8 = add %6 %7 ; name "pointwise"
output "y" %8
