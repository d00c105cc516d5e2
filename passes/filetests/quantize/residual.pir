# The skip connection reads the convolution's extension, reduced: nothing is extended for the join.
%0 = input {"name":"x"} : client [1x2x4x4] real
%1 = weight {"name":"w"} : server [2x2x3x3] real
%2 = conv {"dilation":[1,1],"groups":1,"pads":[1,1,1,1],"stride":[1,1]} %0 %1 ; name "a"
%3 = relu %2 ; name "relu"
%4 = weight {"name":"v"} : server [2x2x3x3] real
%5 = conv {"dilation":[1,1],"groups":1,"pads":[1,1,1,1],"stride":[1,1]} %3 %4 ; name "b"
%6 = add %5 %3 ; name "skip"
%7 = relu %6 ; name "out"
output "y" %7
