import ShardKit
import TestKit
import Testing

@testable import NetKit

/// Signatures against Amazon's own examples and against botocore: a service that takes any signature shows no fault.
@Suite struct RequestSignatureTests {
  private struct Example {
    var request: HTTPRequest
    var seconds: Int
    var signature: String
  }

  /// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
  private func storageExample(
    _ method: HTTPRequest.Method, _ target: String, _ headers: KeyValuePairs<String, String> = [:], body: String = ""
  ) throws -> String {
    var request = try HTTPRequest(method, "https://examplebucket.s3.amazonaws.com" + target)
    for (name, value) in headers { request.headers[name] = value }
    if !body.isEmpty { request.body = .bytes(Array(body.utf8)) }
    request.signing = HTTPRequest.Signing(
      accessKey: "AKIAIOSFODNN7EXAMPLE", secretKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", region: "us-east-1")
    // 2013-05-24T00:00:00Z
    let authorization = request.signed(at: 1_369_353_600).headers["Authorization"] ?? ""
    return String(authorization.split(separator: "=").last ?? "")
  }

  @Test func amazonsExamplesOfStorage() throws {
    #expect(
      try storageExample(.get, "/test.txt", ["Range": "bytes=0-9"])
        == "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")
    #expect(
      try storageExample(
        .put, "/test$file.text",
        ["Date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"],
        body: "Welcome to Amazon S3.") == "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd")
    #expect(
      try storageExample(.get, "/?lifecycle") == "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543")
    #expect(
      try storageExample(.get, "/?prefix=J&max-keys=2")
        == "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")
  }

  /// Of Amazon's test suite for signatures of other services.
  @Test func amazonsSuite() throws {
    func signature(_ target: String, _ method: HTTPRequest.Method = .get) throws -> String {
      var request = try HTTPRequest(method, "https://example.amazonaws.com" + target)
      request.signing = HTTPRequest.Signing(
        accessKey: "AKIDEXAMPLE", secretKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", region: "us-east-1",
        service: "service")
      // 2015-08-30T12:36:00Z
      let authorization = request.signed(at: 1_440_938_160).headers["Authorization"] ?? ""
      return String(authorization.split(separator: "=").last ?? "")
    }
    // get-vanilla, get-vanilla-query-order-key-case, post-vanilla
    #expect(try signature("/") == "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31")
    #expect(
      try signature("/?Param2=value2&Param1=value1")
        == "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500")
    #expect(try signature("/", .post) == "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b")
  }

  @Test func theKeyedDigestIsThatOfItsStandard() {
    // RFC 4231, 4.2 and 4.7.
    #expect(
      hexadecimal(KeyedDigest.sha256(Array("Hi There".utf8), key: Array(repeating: 0x0B, count: 20)))
        == "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7")
    #expect(
      hexadecimal(
        KeyedDigest.sha256(
          Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8), key: Array(repeating: 0xAA, count: 131))
      )
        == "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54")
  }

  static let keys = [
    "plain", "with space", "plus+sign", "日本語/コーパス🍚", "a//b", "~!*'()", "100%", "%2F", "a=b&c=d", "semi;colon:",
    "e\u{301}", "#hash?query", "trailing/", "[b]{c}|\\^`\"<>",
  ]

  @Test(.needs(ObjectStore.isUsable, "needs Python with boto3"))
  func botocoreSignsAlike() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    var orders: [UInt8] = []
    var ours: [String] = []
    let endpoint = try S3Endpoint(
      endpoint: "http://127.0.0.1:9000", region: "ap-northeast-1", environment: { _ in nil })
    func add(_ request: HTTPRequest, body: String, token: String?, service: String) {
      var request = request
      if !body.isEmpty { request.body = .bytes(Array(body.utf8)) }
      request.signing = HTTPRequest.Signing(
        accessKey: "AKIDTEST", secretKey: "a/b+c", sessionToken: token, region: "ap-northeast-1", service: service)
      let order: JSONValue = [
        "method": .string(request.method.rawValue), "url": .string(request.url.text), "body": .string(body),
        "headers": .object(request.headers.fields.map { JSONMember($0.name, .string($0.value)) }),
        "access": "AKIDTEST", "secret": "a/b+c", "token": token.map { .string($0) } ?? .null,
        "region": "ap-northeast-1", "service": .string(service), "moment": "20231114T221320Z",
      ]
      orders += Array(order.text().utf8) + [10]
      ours.append(request.signed(at: 1_700_000_000).headers["Authorization"] ?? "")
    }
    for (number, key) in Self.keys.enumerated() {
      let place = S3Location(bucket: "corpus", key: key)
      var request = HTTPRequest(.put, try endpoint.url(place, query: [("uploadId", key), ("partNumber", "10")]))
      request.headers["x-amz-meta-text"] = "  a   b "
      request.headers["Range"] = "bytes=\(number)-"
      add(request, body: "body \(key)", token: number % 2 == 0 ? "t/o+k=" : nil, service: "s3")
      add(HTTPRequest(.get, try endpoint.url(place)), body: "", token: nil, service: "s3")
    }
    try FileSystem.write(orders, to: folder + "/orders")
    let answer = try #require(PeerScript.objects.run("sign", folder + "/orders"))
    let theirs = answer.split(separator: 10).map { String(decoding: $0, as: UTF8.self) }
    #expect(theirs.count == 2 * Self.keys.count)
    for (own, other) in zip(ours, theirs) { #expect(own == other) }
  }
}
