# relu_after_maxpool: a quarter of the comparisons; relu_of_non_negative: the second relu goes.
%0 = input {"name":"x"} : client [1x2x4x4] real
%1 = relu %0 ; name "relu"
%2 = max_pool {"dilation":[1,1],"kernel":[2,2],"pads":[0,0,0,0],"stride":[2,2]} %1 ; name "pool"
%3 = reshape {"shape":[1,8]} %2
%4 = relu %3 ; name "again"
output "y" %4
