# The sum of two raw values is truncated once; scale and bias of the second branch are in the sum.
%0 = input {"name":"x"} : client [1x2x4x4] real
%1 = weight {"name":"w"} : server [2x2x3x3] real
%2 = conv {"dilation":[1,1],"groups":1,"pads":[1,1,1,1],"stride":[1,1]} %0 %1 ; name "a"
%3 = weight {"name":"v"} : server [2x2x1x1] real
%4 = conv {"dilation":[1,1],"groups":1,"pads":[0,0,0,0],"stride":[1,1]} %0 %3 ; name "b"
%5 = weight {"name":"b"} : server [2x1x1] real
%6 = add %4 %5 ; name "b"
%7 = add %2 %6 ; name "sum"
%8 = relu %7 ; name "relu"
output "y" %8
