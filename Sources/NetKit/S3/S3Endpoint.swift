import ShardKit

/// The servers of buckets, and how requests name a bucket.
public struct S3Endpoint: Equatable, Sendable {
  public enum Addressing: String, Sendable, CaseIterable {
    /// `virtual` for Amazon, `path` for others.
    case automatic
    /// `https://endpoint/bucket/key`
    case path
    /// `https://bucket.endpoint/key`
    case virtual
  }

  public let region: String
  /// nil: Amazon's endpoint of the region.
  private let custom: WebURL?
  private let addressing: Addressing

  /// - Parameters:
  ///   - endpoint: a URL. Empty: from the environment or the profile, otherwise Amazon's.
  ///   - region: empty: from the environment or the profile, otherwise `us-east-1`.
  /// - Throws: `NetError` for an invalid endpoint or region (`.address`), or an unreadable profile file (`.storage`).
  public init(
    endpoint: String = "", region: String = "", addressing: Addressing = .automatic, profile: String? = nil,
    environment: @escaping EnvironmentReading
  ) throws(NetError) {
    func known(_ names: [String]) -> String? { names.lazy.compactMap(environment).first }
    let settings = try ProfileFiles(profile: profile, environment: environment).settings() ?? [:]
    let place =
      endpoint.isEmpty
      ? known(["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]) ?? settings["endpoint_url"] : endpoint
    self.addressing = addressing
    self.region =
      region.isEmpty ? known(["AWS_REGION", "AWS_DEFAULT_REGION"]) ?? settings["region"] ?? "us-east-1" : region
    guard !self.region.isEmpty, self.region.utf8.allSatisfy({ $0 > 32 && $0 < 127 && $0 != UInt8(ascii: "/") }) else {
      throw NetError(.address, "", "'\(self.region)' is not a valid region name")
    }
    custom = try place.map { (text) throws(NetError) in
      let url = try WebURL(text)
      guard !url.holdsSecret, !url.target.contains("?") else {
        throw NetError(.address, url.shown, "an endpoint must not contain a password or a query")
      }
      return url
    }
  }

  /// For messages and fingerprints.
  public var shown: String { custom?.shown ?? "Amazon S3, \(region)" }

  func url(_ place: S3Location, query: [(name: String, value: String?)] = []) throws(NetError) -> WebURL {
    try place.checkKey()
    var fields = query.map { field in
      PercentEncoding.encode(field.name) + "=" + PercentEncoding.encode(field.value ?? "")
    }
    fields.sort { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    let key = PercentEncoding.encode(place.key, keeping: "/")
    return try WebURL(
      bucketURL(place.bucket) + "/" + key + (fields.isEmpty ? "" : "?" + fields.joined(separator: "&")))
  }

  private func bucketURL(_ bucket: String) throws(NetError) -> String {
    let origin: String
    if let custom {
      origin = custom.text.hasSuffix("/") ? String(custom.text.dropLast()) : custom.text
    } else {
      origin = "https://s3.\(region).amazonaws.com" + (region.hasPrefix("cn-") ? ".cn" : "")
    }
    // A certificate for *.s3.… is valid for one label only.
    let isVirtual =
      switch addressing {
      case .automatic: custom == nil && !bucket.contains(".")
      case .virtual: true
      case .path: false
      }
    guard isVirtual else { return "\(origin)/\(bucket)" }
    let schemeEnd = origin.firstRange(of: "://")!.upperBound
    return "\(origin[..<schemeEnd])\(bucket).\(origin[schemeEnd...])"
  }
}
