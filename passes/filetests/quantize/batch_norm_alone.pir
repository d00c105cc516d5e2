# A scale that no layer takes in is a depthwise 1x1 convolution.
%0 = input {"name":"x"} : client [1x3x4x4] real
%1 = relu %0 ; name "relu"
%2 = weight {"name":"s"} : server [3x1x1] real
%3 = mul %1 %2 ; name "bn"
%4 = weight {"name":"b"} : server [3x1x1] real
%5 = add %3 %4 ; name "bn"
%6 = relu %5 ; name "relu2"
output "y" %6
