# scaled_input_into_linear: input channel g of a grouped convolution meets the weights of its group only.
%0 = input {"name":"x"} : client [1x4x3x3] real
%1 = weight {"name":"s"} : server [4x1x1] real
%2 = mul %0 %1 ; name "scale"
%3 = weight {"name":"w"} : server [6x2x3x3] real
%4 = conv {"dilation":[1,1],"groups":2,"pads":[1,1,1,1],"stride":[2,2]} %2 %3 ; name "conv"
output "y" %4
