import ShardKit

/// Signs a request with AWS Signature Version 4.
///
/// Implemented here because libcurl (seen with 7.88) signs a plus in the path, unsorted queries and parameters without
/// a value differently from servers, and does not support digests of streamed bodies.
/// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
struct RequestSignature {
  private let keys: HTTPRequest.Signing
  private let time: SigningTime

  init(_ keys: HTTPRequest.Signing, at seconds: Int) {
    self.keys = keys
    time = SigningTime(seconds)
  }

  static let bodyDigestField = "x-amz-content-sha256"
  static let unsignedBody = "UNSIGNED-PAYLOAD"
  /// Fields that are set or changed on the way to the server or by libcurl.
  private static let unsigned: Set = [
    "authorization", "user-agent", "expect", "accept-encoding", "connection", "content-length", "transfer-encoding",
  ]

  private var scope: String { "\(time.day)/\(keys.region)/\(keys.service)/aws4_request" }
  private var isStorage: Bool { keys.service == "s3" }

  /// Adds the date, signature and authorization fields.
  func sign(_ request: inout HTTPRequest) {
    let bodyDigest = request.headers[Self.bodyDigestField] ?? digest(of: request.body)
    request.headers["x-amz-date"] = time.moment
    if let token = keys.sessionToken { request.headers["x-amz-security-token"] = token }
    if isStorage { request.headers[Self.bodyDigestField] = bodyDigest }
    let fields = signedFields(request)
    let names = fields.map(\.name).joined(separator: ";")
    let canonical = canonicalRequest(request, fields, names, bodyDigest)
    let text = "AWS4-HMAC-SHA256\n\(time.moment)\n\(scope)\n\(Digester.digest(Array(canonical.utf8)).hex)"
    let signature = hexadecimal(KeyedDigest.sha256(Array(text.utf8), key: signingKey))
    request.headers["Authorization"] =
      "AWS4-HMAC-SHA256 Credential=\(keys.accessKey)/\(scope), SignedHeaders=\(names), Signature=\(signature)"
  }

  private var signingKey: [UInt8] {
    [time.day, keys.region, keys.service, "aws4_request"].reduce(Array("AWS4\(keys.secretKey)".utf8)) { key, part in
      KeyedDigest.sha256(Array(part.utf8), key: key)
    }
  }

  private func digest(of body: HTTPRequest.Body) -> String {
    switch body {
    case .none: Digester.digest([]).hex
    case .bytes(let bytes): Digester.digest(bytes).hex
    case .file: Self.unsignedBody
    }
  }

  func canonicalRequest(_ request: HTTPRequest) -> String {
    let fields = signedFields(request)
    let digest = request.headers[Self.bodyDigestField] ?? digest(of: request.body)
    return canonicalRequest(request, fields, fields.map(\.name).joined(separator: ";"), digest)
  }

  private func canonicalRequest(
    _ request: HTTPRequest, _ fields: [HTTPHeaders.Field], _ names: String, _ bodyDigest: String
  ) -> String {
    let parts = request.url.target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    let lines = fields.map { "\($0.name):\($0.value)\n" }.joined()
    return [
      request.method.rawValue, path(parts[0]), Self.query(parts.count > 1 ? parts[1] : ""), lines, names, bodyDigest,
    ].joined(separator: "\n")
  }

  /// Only S3 signs the path as encoded in the request; other services encode it a second time.
  private func path(_ path: Substring) -> String {
    let once = PercentEncoding.encode(PercentEncoding.decode(path), keeping: "/")
    return isStorage ? once : PercentEncoding.encode(once, keeping: "/")
  }

  private static func query(_ query: Substring) -> String {
    let fields = query.split(separator: "&").map { field in
      let pair = field.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      return pair.map { PercentEncoding.encode(PercentEncoding.decode($0)) } + (pair.count == 1 ? [""] : [])
    }
    let sorted = fields.sorted { a, b in
      a[0] == b[0] ? a[1].utf8.lexicographicallyPrecedes(b[1].utf8) : a[0].utf8.lexicographicallyPrecedes(b[0].utf8)
    }
    return sorted.map { "\($0[0])=\($0[1])" }.joined(separator: "&")
  }

  /// Sorted lower-case names; values without outer spaces and with single inner spaces.
  private func signedFields(_ request: HTTPRequest) -> [HTTPHeaders.Field] {
    var values: [String: [String]] = ["host": [request.url.authority]]
    for field in request.headers.fields where !Self.unsigned.contains(field.name.lowercased()) {
      values[field.name.lowercased(), default: []].append(
        field.value.split(separator: " ").joined(separator: " "))
    }
    return values.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }.map {
      HTTPHeaders.Field(name: $0.key, value: $0.value.joined(separator: ","))
    }
  }
}

/// `20260131` and `20260131T235959Z`.
struct SigningTime {
  let day: String
  let moment: String

  init(_ seconds: Int) {
    let civil = CivilTime(secondsSince1970: seconds)
    day = civil.date("")
    moment = "\(day)T\(civil.time(""))Z"
  }
}

extension HTTPRequest {
  /// The request with signature fields, if it is to be signed.
  func signed(at seconds: Int) -> HTTPRequest {
    guard let signing else { return self }
    var request = self
    RequestSignature(signing, at: seconds).sign(&request)
    return request
  }
}

extension WebURL {
  /// As in a `Host` header: includes the port unless it is the scheme's default.
  var authority: String { String(origin.dropFirst(scheme.utf8.count + 3)) }
}

extension HTTPRequest.Signing: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  public var description: String { "keys (hidden)" }
  public var debugDescription: String { description }
  public var customMirror: Mirror { Mirror(self, children: [:]) }
}
