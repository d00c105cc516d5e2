# Short rings around the comparisons, long ones around the products, one extension for each layer.
%0 = input {"name":"x"} : client [1x1x8x8] real
%1 = weight {"name":"w"} : server [4x1x3x3] real
%2 = conv {"dilation":[1,1],"groups":1,"pads":[1,1,1,1],"stride":[1,1]} %0 %1 ; name "conv"
%3 = weight {"name":"b"} : server [4x1x1] real
%4 = add %2 %3 ; name "conv"
%5 = relu %4 ; name "relu"
%6 = max_pool {"dilation":[1,1],"kernel":[2,2],"pads":[0,0,0,0],"stride":[2,2]} %5 ; name "pool"
%7 = reshape {"shape":[1,64]} %6 ; name "flatten"
%8 = weight {"name":"g"} : server [64x3] real
%9 = matmul %7 %8 ; name "gemm"
output "y" %9
