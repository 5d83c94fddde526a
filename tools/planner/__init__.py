"""What a crowd needs and costs on AWS, before it is there: times, parts and the bill of a month."""
