# argmax_of_softmax: the order is that of the scores.
%0 = input {"name":"x"} : client [1x5] real
%1 = softmax {"axis":1} %0
%2 = arg_max {"axis":1,"keep":false,"last":false} %1
output "y" %2
