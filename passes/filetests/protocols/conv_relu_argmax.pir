# Every shared step is local or a protocol; only the index is revealed.
%0 = input {"name":"x"} : client [1x1x4x4] real
%1 = weight {"name":"w"} : server [3x1x4x4] real
%2 = conv {"dilation":[1,1],"groups":1,"pads":[0,0,0,0],"stride":[1,1]} %0 %1 ; name "conv"
%3 = relu %2 ; name "relu"
%4 = arg_max {"axis":1,"keep":true,"last":false} %3 ; name "argmax"
output "y" %4
