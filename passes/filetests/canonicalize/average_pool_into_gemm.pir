# scalar_after_shape and scaled_input_into_linear: the average's reciprocal ends in the weights.
%0 = input {"name":"x"} : client [1x2x4x4] real
%1 = relu %0
%2 = sum_pool {"dilation":[1,1],"kernel":[4,4],"pads":[0,0,0,0],"stride":[1,1]} %1 ; name "pool"
%3 = const {"value":{"Real":[0.0625]}} : public [] real
%4 = mul %2 %3 ; name "pool"
%5 = reshape {"shape":[1,2]} %4 ; name "flatten"
%6 = weight {"name":"w"} : server [3x2] real
%7 = transpose {"perm":[1,0]} %6 ; name "gemm"
%8 = matmul %5 %7 ; name "gemm"
output "y" %8
