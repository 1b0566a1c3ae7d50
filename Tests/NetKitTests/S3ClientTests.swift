@testable import NetKit
import ShardKit
import TestKit
import Testing

@Suite(.needs(ObjectStore.isUsable, "needs Python with moto and boto3")) struct S3ClientTests {
  @Test func anObjectGoesAndComesBack() throws {
    let bench = try S3Workbench()
    let content = Array("本文\n".utf8)
    let etag = try bench.put("a/b.txt", content)
    let head = try #require(try bench.client().head(bench.place("a/b.txt")))
    #expect(head.bytes == 7 && head.etag == etag && head.digest == Digester.digest(content))
    #expect(try bench.client().get(bench.place("a/b.txt"), maximumBytes: 7) == content)
    #expect(throws: NetError.self) { try bench.client().get(bench.place("a/b.txt"), maximumBytes: 6) }
    #expect(try bench.client().head(bench.place("a/c.txt")) == nil)
    let theirs = try #require(try bench.objects()["a/b.txt"])
    #expect(theirs["sha256"]?.string == Digester.digest(content).hex)
    #expect(theirs["checksum"]?.string == Checksummer.checksum(content, .sha256).base64)
  }

  /// The path of each is encoded for the wire and for the signature, and comes back from listings as it was.
  @Test func oddKeys() throws {
    let bench = try S3Workbench()
    // What moto itself takes for something else: an empty segment, a key that ends in a slash.
    let keys = RequestSignatureTests.keys.filter { $0 != "a//b" && $0 != "trailing/" }
    for key in keys { try bench.put("odd/" + key, Array(key.utf8)) }
    let theirs = try bench.objects()
    for key in keys {
      #expect(theirs["odd/" + key]?["sha256"]?.string == Digester.digest(Array(key.utf8)).hex, "\(key)")
      #expect(try bench.client().get(bench.place("odd/" + key), maximumBytes: 100) == Array(key.utf8), "\(key)")
    }
    var listed: [String] = []
    try bench.client().list(bench.place("odd/")) { listed.append($0.key) }
    #expect(Set(listed) == Set(keys.map { "odd/" + $0 }))
    #expect(
      bench.sentence { _ = try bench.client().head(bench.place("a/../b")) }
        == "s3://corpus/a/../b: the key has '.' or '..' between slashes, which URLs cannot contain.")
  }

  @Test func aListingOfManyPages() throws {
    let bench = try S3Workbench()
    #expect(PeerScript.objects.run(bench.store.origin, "fill", "corpus", "many/", "1205") != nil)
    try bench.store.forget()
    var keys: [String] = []
    try bench.client().list(bench.place("many/")) { keys.append($0.key) }
    #expect(keys.count == 1205 && keys.first == "many/00000" && keys.last == "many/01204" && keys == keys.sorted())
    #expect(try bench.store.requests().count == 2)
    try bench.client().list(bench.place("none/")) { _ in Issue.record("nothing is there") }
  }

  @Test func partsBecomeAnObject() throws {
    let bench = try S3Workbench()
    let content = (0..<(12 << 20)).map { UInt8(truncatingIfNeeded: $0 / 4096) }
    try FileSystem.write(content, to: bench.folder + "/large")
    let (place, client) = (bench.place("large"), try bench.client())
    let upload = try client.createUpload(place, digest: Digester.digest(content), withChecksums: true)
    var parts: [S3Part] = []
    for number in 1...3 {
      let bytes = content[(number - 1) * (5 << 20)..<min(number * (5 << 20), content.count)]
      parts.append(
        try client.upload(
          number, of: upload, place, file: bench.folder + "/large", offset: Int64(bytes.startIndex),
          bytes: Int64(bytes.count), digest: Checksummer.checksum(Array(bytes), .sha256), withChecksum: true))
    }
    let listed = try #require(try client.parts(of: upload, place))
    #expect(listed.map(\.etag) == parts.map(\.etag) && listed.map(\.bytes) == [5 << 20, 5 << 20, 2 << 20])
    #expect(try client.head(place) == nil, "nothing shows before it is complete")
    let etag = try client.completeUpload(
      upload, place, parts: parts.reversed(), bytes: Int64(content.count), digest: Digester.digest(content))
    #expect(etag.hasSuffix("-3\""))
    #expect(try bench.objects()["large"]?["sha256"]?.string == Digester.digest(content).hex)
    #expect(try client.parts(of: upload, place) == nil)
    // Asked again after its answer was lost, the completion finds what it made.
    #expect(
      try client.completeUpload(
        upload, place, parts: parts, bytes: Int64(content.count), digest: Digester.digest(content)) == etag)
    try client.abortUpload(upload, place)
  }

  @Test func aDownloadGoesOnWhereItBroke() throws {
    let bench = try S3Workbench()
    let content = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
    let etag = try bench.put("a", content)
    let path = bench.folder + "/a"
    try FileSystem.write(Array(content[..<50_000]), to: path + ".partial")
    let state: JSONValue = [
      "url": .string(bench.store.origin + "/corpus/a"), "etag": .string(etag), "lastModified": .null, "bytes": 200_000,
    ]
    try FileSystem.write(Array(state.text().utf8), to: path + ".partial.json")
    let file = try bench.client().download(
      bench.place("a"), to: path,
      expecting: DownloadExpectation(checksums: [.init(.sha256, hex: Digester.digest(content).hex)!]))
    #expect(file.resumedBytes == 50_000 && file.bytes == 200_000)
    #expect(try bench.store.requests().last?.sent == 150_000)
    // All of it was there, but for its name: the service is not asked.
    try FileSystem.rename(path, to: path + ".partial")
    try FileSystem.write(Array(state.text().utf8), to: path + ".partial.json")
    try bench.store.forget()
    let whole = try bench.client().download(
      bench.place("a"), to: path, etag: etag, expecting: DownloadExpectation(bytes: 200_000))
    #expect(try whole.digest.hex == Digester.digest(content).hex && bench.store.count() == 0)
    #expect(
      bench.sentence { _ = try bench.client().download(bench.place("a"), to: path, etag: "\"other\"") }
        == "s3://corpus/a: was replaced after the listing. Set another \"snapshot\" to list again.")
  }

  // MARK: Faults

  @Test func aBusyServiceIsAskedAgain() throws {
    let bench = try S3Workbench()
    try bench.store.fault(
      "PUT /corpus/a", ["status": 503, "code": "SlowDown"], ["status": 400, "code": "RequestTimeout"],
      ["status": 500, "code": "InternalError"])
    try bench.put("a", [1, 2, 3])
    #expect(try bench.store.requests().compactMap(\.status) == [503, 400, 500, 200])
  }

  /// A completion may fail with a 200 whose body says so.
  @Test func anErrorUnderASuccessIsAnError() throws {
    let bench = try S3Workbench()
    try bench.store.fault(
      "POST /corpus/a", ["status": 200, "code": "InternalError"],
      ["status": 200, "code": "Strange", "message": "it is odd"])
    #expect(
      bench.sentence {
        _ = try bench.client().createUpload(bench.place("a"), digest: Digester.digest([]), withChecksums: true)
      } == "s3://corpus/a: the server responded with Strange: it is odd.")
    try bench.put("b", Array("<Error><Code>Strange</Code></Error>".utf8))
    #expect(try bench.client().get(bench.place("b"), maximumBytes: 100).count == 35)
  }

  @Test func sentences() throws {
    let bench = try S3Workbench()
    func sentence(_ step: JSONValue) throws -> String {
      try bench.store.fault("GET /corpus/a", step)
      return bench.sentence { _ = try bench.client(region: "us-east-1").get(bench.place("a"), maximumBytes: 1000) }
    }
    #expect(
      try sentence(["status": 403, "code": "AccessDenied"])
        == "s3://corpus/a: the server does not allow this (AccessDenied). Check the keys' permissions: "
        + "reading requires s3:GetObject and s3:ListBucket, writing s3:PutObject.")
    // Other keys are looked for once.
    try bench.store.fault("GET /corpus/a", ["status": 400, "code": "ExpiredToken"])
    #expect(
      try sentence(["status": 400, "code": "ExpiredToken"])
        == "s3://corpus/a: the session token has expired. Get new keys, then run again: finished work is kept.")
    #expect(
      try sentence(["status": 301, "code": "PermanentRedirect", "headers": ["x-amz-bucket-region": "eu-west-1"]])
        == "s3://corpus/a: the bucket is in the region eu-west-1, not in us-east-1. Set \"region\" to eu-west-1."
    )
    #expect(
      try sentence([
        "status": 400, "code": "AuthorizationHeaderMalformed", "more": "<Region>ap-northeast-1</Region>",
      ]).contains("the bucket is in the region ap-northeast-1"))
    #expect(
      try sentence(["status": 307, "headers": ["Location": "http://169.254.169.254/"]])
        == "s3://corpus/a: the bucket is in another region. Set \"region\" to the bucket's, and \"endpoint\" to its server."
    )
    #expect(
      try sentence(["status": 403, "code": "RequestTimeTooSkewed"])
        == "s3://corpus/a: the clocks of this machine and the server differ. Set the clock.")
    #expect(
      bench.sentence { _ = try bench.client().get(bench.place("b"), maximumBytes: 10) }
        == "s3://corpus/b: there is no such object. Check the key; it is case-sensitive.")
    #expect(
      bench.sentence { _ = try bench.client().list(S3Location(bucket: "absent", key: "")) { _ in } }
        == "s3://absent: there is no bucket 'absent' at http://store/. Check its name, \"endpoint\" and \"region\".")
  }

  /// The service here repeats the secret in its refusal, as no service should.
  @Test func keysStandInNoError() throws {
    let bench = try S3Workbench()
    bench.variables["AWS_SECRET_ACCESS_KEY"] = "wrong/Secret"
    let sentence = bench.sentence { _ = try bench.client().get(bench.place("a"), maximumBytes: 10) }
    #expect(
      sentence
        == "s3://corpus/a: the secret key does not belong to the access key (SignatureDoesNotMatch). "
        + "Check both for a missing or extra character.")
    bench.variables["AWS_ACCESS_KEY_ID"] = "AKIDOTHER"
    #expect(
      bench.sentence { _ = try bench.client().get(bench.place("a"), maximumBytes: 10) }
        == "s3://corpus/a: the server does not know the access key. Check the keys, and \"endpoint\".")
    bench.variables["AWS_ACCESS_KEY_ID"] = ObjectStore.accessKey
    bench.variables["AWS_SECRET_ACCESS_KEY"] = ObjectStore.secretKey
    try bench.store.fault(
      "GET /corpus/a",
      ["status": 418, "code": "Odd", "message": .string("your secret is \(ObjectStore.secretKey)")])
    #expect(
      bench.sentence { _ = try bench.client().get(bench.place("a"), maximumBytes: 1000) }
        == "s3://corpus/a: the server responded with Odd: your secret is ….")
    let keys = S3Credentials(accessKey: "AKID", secretKey: "secret", sessionToken: "token")
    var text = "\(keys)\(String(reflecting: keys))"
    dump(keys, to: &text)
    #expect(!text.contains("secret") && !text.contains("AKID") && !text.contains("token"))
  }

  @Test func addressing() throws {
    func url(_ endpoint: String, _ bucket: String, _ way: S3Endpoint.Addressing = .automatic, region: String = "")
      throws -> String
    {
      let endpoint = try S3Endpoint(endpoint: endpoint, region: region, addressing: way, environment: { _ in nil })
      return try endpoint.url(S3Location(bucket: bucket, key: "a b")).text
    }
    #expect(try url("", "corpus") == "https://corpus.s3.us-east-1.amazonaws.com/a%20b")
    #expect(try url("", "my.corpus") == "https://s3.us-east-1.amazonaws.com/my.corpus/a%20b")
    #expect(try url("", "corpus", region: "cn-north-1") == "https://corpus.s3.cn-north-1.amazonaws.com.cn/a%20b")
    #expect(try url("http://localhost:9000", "corpus") == "http://localhost:9000/corpus/a%20b")
    #expect(try url("https://store.example.org/s3/", "corpus") == "https://store.example.org/s3/corpus/a%20b")
    #expect(try url("https://store.example.org", "corpus", .virtual) == "https://corpus.store.example.org/a%20b")
    for (text, words) in [
      ("https://u:p@store.example.org", "an endpoint must not contain a password or a query"),
      ("ftp://a", "only http and https"),
    ] {
      let error = #expect(throws: NetError.self) { try url(text, "corpus") }
      #expect("\(error!)".contains(words))
    }
    for (text, words) in [
      ("corpus/a", "'corpus/a' is not a valid S3 location"), ("s3://a/b", "'a' is not a valid bucket name"),
      ("s3://a b c/d", "not a valid bucket name"), ("s3://corpus/../d", "URLs cannot contain"),
    ] {
      let error = #expect(throws: NetError.self) { try S3Location(text) }
      #expect("\(error!)".contains(words))
    }
  }
}
