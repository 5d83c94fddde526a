#!/bin/sh
# As in AWS's image: the runtime, under the interface emulator unless Lambda's own runtime API is there.
# https://docs.aws.amazon.com/lambda/latest/dg/python-image.html
if [ $# -ne 1 ]; then
    echo 'entrypoint requires the handler name to be the first argument' >&2
    exit 142
fi
export _HANDLER="$1"
export PYTHONPATH="$LAMBDA_TASK_ROOT:$LAMBDA_RUNTIME_DIR"
set -- python3 -m awslambdaric "$_HANDLER"
if [ -z "${AWS_LAMBDA_RUNTIME_API:-}" ]; then
    set -- /usr/local/bin/aws-lambda-rie "$@"
fi
exec "$@"
