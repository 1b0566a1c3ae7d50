import ShardKit
import TestKit

@testable import MarkupKit
@testable import NetKit

/// Answers of S3 and the Hub, and what the environment says of both.
let serverTargets: [String: FuzzTarget] = [
  "s3-answer": reader(
    samples: [
      "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>"
        + "<Contents><Key>a+b%20c</Key><Size>12</Size><ETag>&quot;e&quot;</ETag></Contents></ListBucketResult>",
      "<Error><Code>AccessDenied</Code><Message>no</Message><Region>eu-west-1</Region></Error>",
    ], words: ["<Contents>", "<Key>", "<Size>", "<Code>", "<![CDATA[", "<!DOCTYPE a [", "&#x0;", "%E3%81", "&lt;"],
    readS3),
  "hub-listing": textReader(
    samples: ["<https://h.example/api?cursor=a>; rel=\"next\", <b>; rel=prev"],
    words: ["<", ">", ";", ",", "rel=next", "\""]
  ) { input in _ = HubClient.next(in: String(decoding: input, as: UTF8.self)) },
  "hub-orders": reader(
    samples: [
      #"{"oid":"x","actions":{"upload":{"href":"https://s.example/a?uploadId=1","header":{"chunk_size":"5","1":"#
        + #""https://s.example/1","2":"https://s.example/2"}},"verify":{"href":"https://h.example/v"}}}"#,
      #"{"oid":"x","error":{"message":"no"}}"#,
    ], words: ["\"chunk_size\":", "9223372036854775807", "\"1\":", "0", "-1", "\"header\":{", "null"], readOrder),
  "hub-parts": fileReader(
    "o.upload",
    samples: [
      #"{"target":"https://s.example/a?uploadId=1","partBytes":5,"parts":["https://s.example/1"],"verify":null}"#
    ],
    words: ["\"partBytes\":", "9223372036854775807", "-1", "0", "\"parts\":[]", "null"]
  ) { path in
    let folder = String(path.dropLast("/o.upload".count))
    put(Array(#"{"upload":"uploadId=1","part":1,"etag":"e"}"#.utf8), folder + "/o.parts")
    for bytes in [Int64(0), 1, 5, 1 << 40] {
      var state = HubPartsState(folder: folder, oid: "o")
      _ = state.resume(objectBytes: bytes)
    }
  },
  "credentials": textReader(
    samples: [
      "[default]\naws_access_key_id = a\n# remark\n[profile  x]\ns3 =\n  nested = 1\nregion=eu", "2025-01-02T03:04:05Z",
    ],
    words: ["[", "]", "=", "\n", "default", "profile ", "2025-", "99999999999", "#", "\u{2028}"]
  ) { input in
    let text = String(decoding: input, as: UTF8.self)
    _ = ProfileFiles.section(["default", "profile x"], of: text)
    _ = CredentialService.seconds(since1970: text)
  },
  "proxy": textReader(
    samples: ["10.0.0.0/8,example.org, .e.jp *", "::1/128"],
    words: ["/", ",", " ", "10.0.0.0/", "-1", "fe80::/", "%", "[", "]"]
  ) { input in
    let text = String(decoding: input.filter { $0 != 0 }, as: UTF8.self)
    let proxy = Proxy { $0 == "no_proxy" ? text : $0 == "http_proxy" ? "http://p.example" : nil }
    for host in ["10.1.2.3", "[fe80::1]", "www.e.jp"] { _ = proxy.proxy(for: try WebURL("http://\(host)/")) }
    _ = NetworkAddress(text)?.special
  },
  "places": textReader(
    samples: ["s3://bucket/key/of%20it", "models/owner/name", "sha256:00"],
    words: ["s3://", "/", "..", ":", "sha256:", "md5:"]
  ) { input in
    let text = String(decoding: input, as: UTF8.self)
    _ = (try? S3Location(text), Checksum(text), Digest(hex: text), HubRepository.isPath(text))
    _ = try HubRepository(text, kind: .model).file("a/b", revision: text)
  },
  "crawl-fields": textReader(
    samples: ["pipeline-url: http://e.org/\r\npipeline-kind: page\r\npipeline-pass: 1\r\npipeline-asked-at: 5\r\n"],
    words: ["pipeline-version: ", ":", "\r\n", "99999999999999999999"]
  ) { input in _ = CrawlExchange.CrawlFields(String(decoding: input, as: UTF8.self)) },
  "resume": fileReader(
    "f.partial.json", samples: [#"{"url":"http://e.org/f","etag":"\"a\"","lastModified":null,"bytes":5}"#],
    words: ["\"bytes\":", "-1", "9223372036854775807", "null", "W/"]
  ) { path in
    let file = String(path.dropLast(".partial.json".count))
    put(Array("abc".utf8), file + ".partial")
    let request = try HTTPRequest(.get, "http://e.org/f")
    _ = try PartialFile(file, request, expecting: DownloadExpectation())
  },
]

private func readS3(_ input: [UInt8]) throws {
  let place = S3Location(bucket: "bucket", key: "a")
  if let page = XMLElement(input) {
    for content in page.all("Contents") { _ = try? S3Client.entry(content, page, place) }
  }
  let answer = HTTPResponse(
    head: .init(status: 403, reason: "", version: "1.1"), url: try WebURL("http://s.example/"), body: input)
  let endpoint = try S3Endpoint(endpoint: "http://s.example", environment: { _ in nil })
  _ = S3ErrorResponse(answer, place, endpoint, nil).error
}

private func readOrder(_ input: [UInt8]) throws {
  let hub = HubClient(
    try HubRepository("owner/name", kind: .model, endpoint: "https://h.example"), token: nil,
    http: try HTTPClient(HTTPClient.Options()))
  let answer = HTTPResponse(
    head: .init(status: 403, reason: "", version: "1.1"), url: try WebURL("https://h.example/"), body: input)
  _ = hub.refusal(answer)
  let json = try JSONValue.parse(input).value
  for bytes in [Int64(1), 9, 1 << 40] {
    let object = HubCandidate(path: "a", file: "/a", bytes: bytes, sha256: Digester.digest([]))
    _ = try? hub.order(json, for: object, answer.url)
  }
  _ = try hub.file(json, answer.url)
}
