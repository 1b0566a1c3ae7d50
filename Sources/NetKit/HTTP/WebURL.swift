import CCurl

/// An http or https URL as libcurl understands it, so that what is checked is what is asked.
///
/// Normal form (RFC 3986, 6.2.2): lower-case scheme and host, no default port, no `.` and `..` in the path, unsafe bytes
/// encoded, encodings of unreserved characters undone and the digits of all others in upper case, no fragment. User and
/// password are taken out of the text.
public struct WebURL: Hashable, Sendable {
  /// The URL without user and password.
  public let text: String
  public let scheme: String
  /// As in a `Host` header: an IPv6 address stands in brackets.
  public let host: String
  public let port: Int
  /// Path and query, as asked.
  public let target: String
  let user: String?
  let password: String?

  public init(_ text: String) throws(NetError) { try self.init(Parts(text, base: nil), isNormal: true) }

  /// A reference found at this URL: absolute, or relative.
  public func resolving(_ reference: String) throws(NetError) -> WebURL {
    try WebURL(Parts(reference, base: self), isNormal: true)
  }

  /// The same for a `Location` header: a server may have signed the very bytes that it sends us on with.
  func redirected(to reference: String) throws(NetError) -> WebURL {
    try WebURL(Parts(reference, base: self), isNormal: false)
  }

  private init(_ parts: borrowing Parts, isNormal: Bool) throws(NetError) {
    user = parts.get(CURLUPART_USER, UInt32(CURLU_URLDECODE))
    password = parts.get(CURLUPART_PASSWORD, UInt32(CURLU_URLDECODE))
    let query = parts.get(CURLUPART_QUERY).map { "?" + $0 } ?? ""
    let path = parts.get(CURLUPART_PATH) ?? "/"
    target = isNormal ? Self.withoutDots(Self.normalized(path)) + Self.normalized(query) : path + query
    scheme = parts.get(CURLUPART_SCHEME) ?? ""
    host = try Self.settled((parts.get(CURLUPART_HOST) ?? "").lowercased())
    port = parts.get(CURLUPART_PORT, UInt32(CURLU_DEFAULT_PORT)).flatMap { Int($0) } ?? 0
    let isDefault = port == (scheme == "https" ? 443 : 80)
    text = "\(scheme)://\(host)\(isDefault ? "" : ":\(port)")\(target)"
    guard scheme == "http" || scheme == "https" else {
      throw NetError(.address, shown, "only http and https are asked, not \(scheme)")
    }
    // What is still encoded when it was decoded once is no name, and would be another one the next time.
    guard !host.isEmpty, !host.utf8.contains(UInt8(ascii: "%")) else {
      throw NetError(.address, shown, "it names no host")
    }
  }

  /// libcurl writes an address in one form before it decodes the host: `%31%30` becomes `10`, and that `0.0.0.10`.
  private static func settled(_ host: String) throws(NetError) -> String {
    guard host.utf8.first.map({ $0 &- 48 < 10 }) ?? false else { return host }
    return try Parts("http://\(host)/", base: nil).get(CURLUPART_HOST) ?? host
  }

  /// `https://example.org` or `http://example.org:8080`: whom politeness, credentials and robots.txt speak of.
  public var origin: String { String(text.dropLast(target.utf8.count)) }

  /// For messages and logs: values of parameters that sign or authorize are left out.
  public var shown: String { origin + URLSecrets.hiding(target) }

  /// Whether it names a password, or a parameter that signs or authorizes.
  public var holdsSecret: Bool { password != nil || shown != text }

  /// The normal form of a path, a query, or a part or pattern of one.
  public static func normalized(_ part: String) -> String {
    String(decoding: PercentEncoding.normalized(part.utf8), as: UTF8.self)
  }

  /// A path whose dots were encoded has them still.
  private static func withoutDots(_ path: String) -> String {
    let parts = path.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).dropFirst()
    guard parts.contains(where: { $0.elementsEqual(".".utf8) || $0.elementsEqual("..".utf8) }) else { return path }
    var kept: [Substring.UTF8View] = []
    for part in parts {
      if part.elementsEqual("..".utf8) { _ = kept.popLast() }
      if !part.elementsEqual(".".utf8), !part.elementsEqual("..".utf8) { kept.append(part) }
    }
    let last = parts.last!
    if last.elementsEqual(".".utf8) || last.elementsEqual("..".utf8) { kept.append(Substring().utf8) }
    return kept.map { "/" + String(Substring($0)) }.joined()
  }
}

extension WebURL: CustomStringConvertible {
  public var description: String { shown }
}

/// libcurl's parser.
private struct Parts: ~Copyable {
  private let handle: OpaquePointer

  init(_ text: String, base: WebURL?) throws(NetError) {
    guard let handle = curl_url() else { fatalError("out of memory") }
    self.handle = handle
    let flags = UInt32(CURLU_URLENCODE)
    if let base { curl_url_set(handle, CURLUPART_URL, base.text, 0) }
    let code = curl_url_set(handle, CURLUPART_URL, text, flags)
    guard code == CURLUE_OK else {
      // What cannot be parsed may hold a password anywhere: it is not repeated, except for a scheme.
      if code == CURLUE_UNSUPPORTED_SCHEME, let colon = text.firstIndex(of: ":") {
        throw NetError(.address, "", "only http and https are asked, not \(text[..<colon])")
      }
      let reason = String(cString: curl_url_strerror(code))
      throw NetError(.address, "", "an address is malformed (\(reason))", hint: "Write it as https://host/path.")
    }
    curl_url_set(handle, CURLUPART_FRAGMENT, nil, 0)
  }

  deinit { curl_url_cleanup(handle) }

  func get(_ part: CURLUPart, _ flags: UInt32 = 0) -> String? {
    var value: UnsafeMutablePointer<CChar>?
    guard curl_url_get(handle, part, &value, flags) == CURLUE_OK, let value else { return nil }
    defer { curl_free(value) }
    return String(cString: value)
  }
}
