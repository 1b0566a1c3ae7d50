"""boto3 as a peer of what pipeline sends to S3 and fetches from it.

  s3_objects.py ENDPOINT put BUCKET KEY FILE [ACL]   (in parts where the file is large; public-read: for all to read)
  s3_objects.py ENDPOINT fill BUCKET PREFIX N    N small objects
  s3_objects.py ENDPOINT list BUCKET             each object as a line of JSON: key, bytes, sha256, etag, metadata
  s3_objects.py ENDPOINT uploads BUCKET          uploads in parts that have neither ended nor been given up
  s3_objects.py ENDPOINT abort BUCKET KEY ID     gives one up
  s3_objects.py sign FILE                        signs requests (lines of JSON) as botocore does, an Authorization a line

Needs: pip install boto3 "moto[server]" (see object-store).
"""
import hashlib, json, sys

import boto3, botocore.config, moto.server  # noqa: F401
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


def sign(path):
    for line in open(path, encoding="utf-8"):
        order = json.loads(line)
        request = AWSRequest(order["method"], order["url"], headers=order["headers"], data=order["body"].encode())
        keys = Credentials(order["access"], order["secret"], order.get("token"))
        signer = (S3SigV4Auth if order["service"] == "s3" else SigV4Auth)(keys, order["service"], order["region"])
        stamp = order["moment"]
        request.context["timestamp"] = stamp
        request.headers["X-Amz-Date"] = stamp
        if keys.token:
            request.headers["X-Amz-Security-Token"] = keys.token
        if order["service"] == "s3":
            request.headers["X-Amz-Content-SHA256"] = hashlib.sha256(order["body"].encode()).hexdigest()
        text = signer.string_to_sign(request, signer.canonical_request(request))
        signer._inject_signature_to_request(request, signer.signature(text, request))
        print(request.headers["Authorization"])


def main(arguments):
    if not arguments:
        return  # only asked whether it can be imported
    if arguments[0] == "sign":
        return sign(arguments[1])
    endpoint, order, bucket, *rest = arguments
    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="AKIDTEST",
        aws_secret_access_key="s3cr3t/Key+EXAMPLE",
        # moto gives an object of parts a checksum without the number of its parts.
        config=botocore.config.Config(response_checksum_validation="when_required"))
    if order == "put":
        client.upload_file(rest[1], bucket, rest[0], ExtraArgs={"ACL": rest[2]} if len(rest) > 2 else None)
    elif order == "fill":
        for i in range(int(rest[1])):
            client.put_object(Bucket=bucket, Key=f"{rest[0]}{i:05}", Body=b"%d" % i)
    elif order == "abort":
        client.abort_multipart_upload(Bucket=bucket, Key=rest[0], UploadId=rest[1])
    elif order == "uploads":
        for upload in client.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
            print(json.dumps({"key": upload["Key"], "id": upload["UploadId"]}))
    elif order == "list":
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for entry in page.get("Contents", []):
                answer = client.get_object(Bucket=bucket, Key=entry["Key"])
                body = answer["Body"].read()
                print(json.dumps({
                    "key": entry["Key"], "bytes": len(body), "sha256": hashlib.sha256(body).hexdigest(),
                    "etag": answer["ETag"], "metadata": answer["Metadata"],
                    "checksum": client.head_object(
                        Bucket=bucket, Key=entry["Key"], ChecksumMode="ENABLED").get("ChecksumSHA256")}, ensure_ascii=False))


if __name__ == "__main__":
    main(sys.argv[1:])
