"""Texts that mean something to a form, a template, JSON or JavaScript, and must arrive as they are."""

HOSTILE = (
    '{"action":"SiloSQS","message":"&Action=DeleteQueue&MessageAttribute.1.Value.StringValue=other"}',
    "&MessageGroupId=other:session&MessageBody=forged",
    "%26Action%3DDeleteQueue%26 %25 %00 %",
    "a+b c  d\ttab",
    '\'single\' "double" `back` \\ \\" /',
    "line\nbreak\r\n&MessageBody=x",
    "\N{GRINNING FACE}\N{ZERO WIDTH JOINER}\N{RIGHT-TO-LEFT OVERRIDE}é\N{COMBINING ACUTE ACCENT}",
    "nul \x00 and \x1f",
    "$context.authorizer.tenantId ${input.body} $util.urlEncode('x') #set($group='x') #end ## #* *# #[[ ]]# \\$x",
    ";MessageBody=x;Action=PurgeQueue",
    "=&=&&==",
    "~!*'();:@,/?[]",
)
