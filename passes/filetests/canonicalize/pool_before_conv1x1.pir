# sum_before_conv1x1: a DenseNet transition convolves a quarter of the pixels; the bias is summed four times.
%0 = input {"name":"x"} : client [1x4x4x4] real
%1 = relu %0
%2 = weight {"name":"w"} : server [2x4x1x1] real
%3 = conv {"dilation":[1,1],"groups":1,"pads":[0,0,0,0],"stride":[1,1]} %1 %2 ; name "conv"
%4 = weight {"name":"b"} : server [2x1x1] real
%5 = add %3 %4 ; name "conv"
%6 = sum_pool {"dilation":[1,1],"kernel":[2,2],"pads":[0,0,0,0],"stride":[2,2]} %5 ; name "pool"
%7 = const {"value":{"Real":[0.25]}} : public [1] real
%8 = mul %6 %7 ; name "pool"
output "y" %8
