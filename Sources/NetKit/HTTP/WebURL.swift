import CCurl
import ShardKit

/// An http or https URL as libcurl parses it, so that the checked URL is the requested one.
///
/// Normal form (RFC 3986, 6.2.2): lower-case scheme and host, no default port, no `.` and `..` in the path, unsafe
/// bytes encoded, unreserved characters decoded, upper-case digits in all other encodings, no fragment. User and
/// password are removed from the text.
public struct WebURL: Hashable, Sendable {
  /// The URL without user and password.
  public let text: String
  public let scheme: String
  /// As in a `Host` header: an IPv6 address is in brackets.
  public let host: String
  public let port: Int
  /// Path and query, as requested.
  public let target: String
  let user: String?
  let password: String?

  /// Reads an absolute URL.
  /// - Throws: `NetError` (`.address`) if it is malformed, not http or https, or names no host.
  public init(_ text: String) throws(NetError) { try self.init(Parts(text, base: nil), isNormal: true) }

  /// Resolves a reference found at this URL: absolute or relative.
  /// - Throws: `NetError` (`.address`) if the result is malformed, not http or https, or names no host.
  public func resolving(_ reference: String) throws(NetError) -> WebURL {
    try WebURL(Parts(reference, base: self), isNormal: true)
  }

  /// The same for a `Location` header, whose exact bytes are kept because the server may have signed them.
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
      throw NetError(.address, shown, "only http and https are supported, not \(scheme)")
    }
    // A host that is still encoded after one decoding is not a name, and would change when decoded again.
    guard !host.isEmpty, !host.utf8.contains(UInt8(ascii: "%")) else {
      throw NetError(.address, shown, "names no host")
    }
  }

  /// libcurl normalizes an address before it decodes the host: `%31%30` becomes `10`, and that `0.0.0.10`.
  private static func settled(_ host: String) throws(NetError) -> String {
    guard host.utf8.first.map({ $0 &- 48 < 10 }) ?? false else { return host }
    return try Parts("http://\(host)/", base: nil).get(CURLUPART_HOST) ?? host
  }

  /// `https://example.org` or `http://example.org:8080`: the scope of politeness, credentials and robots.txt.
  public var origin: String { String(text.dropLast(target.utf8.count)) }

  /// For messages and logs: values of parameters that sign or authorize are hidden.
  public var shown: String { origin + URLSecrets.hiding(target) }

  /// Whether it contains a password, or a parameter that signs or authorizes.
  public var holdsSecret: Bool { password != nil || shown != text }

  /// The normal form of a path or query, or of a part or pattern of one.
  public static func normalized(_ part: String) -> String {
    String(decoding: PercentEncoding.normalized(part.utf8), as: UTF8.self)
  }

  /// Removes dot segments that remain because their dots were encoded.
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
    guard let handle = ccurl_url() else { fatalError("out of memory") }
    self.handle = handle
    let flags = UInt32(CURLU_URLENCODE)
    if let base { ccurl_url_set(handle, CURLUPART_URL, base.text, 0) }
    let code = ccurl_url_set(handle, CURLUPART_URL, text, flags)
    guard code == CURLUE_OK else {
      // Invalid text may contain a password anywhere: it is not repeated, except for the scheme.
      if code == CURLUE_UNSUPPORTED_SCHEME, let colon = text.firstIndex(of: ":") {
        throw NetError(.address, "", "only http and https are supported, not \(text[..<colon])")
      }
      let reason = String(cString: ccurl_url_strerror(code))
      throw NetError(.address, "", "the URL is malformed (\(reason))", hint: "Write it as https://host/path.")
    }
    ccurl_url_set(handle, CURLUPART_FRAGMENT, nil, 0)
  }

  deinit { ccurl_url_cleanup(handle) }

  func get(_ part: CURLUPart, _ flags: UInt32 = 0) -> String? {
    var value: UnsafeMutablePointer<CChar>?
    guard ccurl_url_get(handle, part, &value, flags) == CURLUE_OK, let value else { return nil }
    defer { ccurl_free(value) }
    return String(cString: value)
  }
}
