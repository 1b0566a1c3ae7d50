import ShardKit

/// What the Hub's storage requests for one large object.
enum HubObjectOrder: Equatable {
  /// Nothing: the storage has it.
  case present
  case send(HubObjectTransfer)
}

/// The URLs that one object is sent to. Those of the storage are signed: they allow anyone to upload this object, and
/// nothing else, for some hours.
struct HubObjectTransfer: Equatable {
  /// The URL of a single-request upload, or the one that completes a multipart upload.
  var target: WebURL
  var headers: [JSONMember] = []
  /// Empty for a single-request upload.
  var parts: [WebURL] = []
  var partBytes: Int64 = 0
  var verify: WebURL?

  /// The storage's id of the upload, which stays the same when URLs are signed again.
  var upload: String {
    let query = target.target.split(separator: "?", maxSplits: 1).last ?? ""
    let field = query.split(separator: "&").first { $0.lowercased().hasPrefix("uploadid=") }
    return field.map(String.init) ?? target.text
  }

  /// Whether the number of parts matches the number of bytes.
  func hasParts(for bytes: Int64) -> Bool {
    let (whole, rest) = bytes.quotientAndRemainder(dividingBy: partBytes)
    return Int64(parts.count) == whole + (rest > 0 ? 1 : 0)
  }
}

extension HubClient {
  static let lfsType = "application/vnd.git-lfs+json"

  /// Asks the storage which of these objects it needs, and for their URLs. At most 100 objects per request.
  func orders(
    for objects: [HubCandidate], revision: String
  ) throws(NetError) -> [String: HubObjectOrder] {
    let url = try WebURL(repository.page + ".git/info/lfs/objects/batch")
    let list = objects.map { object -> JSONValue in
      ["oid": .string(object.sha256.hex), "size": .integer(Int(object.bytes))]
    }
    let answer = try ask(
      post(
        url,
        [
          "operation": "upload", "transfers": .strings(["basic", "multipart"]), "objects": .list(list),
          "hash_algo": "sha256", "ref": ["name": .string(revision)],
        ], type: Self.lfsType))
    var orders: [String: HubObjectOrder] = [:]
    for entry in answer["objects"]?.array ?? [] {
      guard let oid = entry["oid"]?.string, let object = objects.first(where: { $0.sha256.hex == oid }) else {
        continue
      }
      orders[oid] = try order(entry, for: object, url)
    }
    for object in objects where orders[object.sha256.hex] == nil {
      throw malformed(url, "it does not mention the object of \(object.path)")
    }
    return orders
  }

  func order(
    _ entry: JSONValue, for object: HubCandidate, _ url: WebURL
  ) throws(NetError) -> HubObjectOrder {
    if let problem = entry["error"], problem != .null {
      let words = problem["message"]?.string.map { shown($0) } ?? "it gives no reason"
      throw NetError(.status, url.shown, "the Hub's storage does not accept \(object.path): \(words)")
    }
    guard let actions = entry["actions"], actions != .null, let upload = actions["upload"], upload != .null else {
      return .present
    }
    var transfer = HubObjectTransfer(target: try address(upload, url))
    if let verify = actions["verify"], verify != .null { transfer.verify = try address(verify, url) }
    let headers = upload["header"]?.members ?? []
    guard let size = headers.first(where: { $0.key == "chunk_size" })?.value else {
      transfer.headers = headers
      return .send(transfer)
    }
    guard let bytes = size.integer ?? size.string.flatMap({ Int($0) }), bytes > 0 else {
      throw malformed(url, "its part size is not a number")
    }
    transfer.partBytes = Int64(bytes)
    transfer.parts = try parts(headers, url)
    guard transfer.hasParts(for: object.bytes) else {
      throw malformed(
        url, "\(transfer.parts.count) parts of \(bytes) bytes do not match the \(object.bytes) bytes of \(object.path)")
    }
    return .send(transfer)
  }

  /// The parts' URLs: the header fields whose names are numbers, starting at 1.
  private func parts(_ headers: [JSONMember], _ url: WebURL) throws(NetError) -> [WebURL] {
    var numbered: [(Int, String)] = []
    for member in headers where member.key.utf8.allSatisfy({ $0 >= 48 && $0 <= 57 }) {
      guard let number = Int(member.key), let address = member.value.string else { continue }
      numbered.append((number, address))
    }
    numbered.sort { $0.0 < $1.0 }
    guard numbered.map(\.0) == Array(1..<numbered.count + 1), numbered.count <= 10_000 else {
      throw malformed(url, "its parts are not numbered consecutively")
    }
    var parts: [WebURL] = []
    for (_, address) in numbered { parts.append(try secure(WebURL(address), url)) }
    return parts
  }

  private func address(_ action: JSONValue, _ url: WebURL) throws(NetError) -> WebURL {
    guard let href = action["href"]?.string else { throw malformed(url, "an action has no URL") }
    return try secure(WebURL(href), url)
  }

  /// A Hub with an https URL must not redirect to unencrypted http.
  private func secure(_ target: WebURL, _ url: WebURL) throws(NetError) -> WebURL {
    guard url.scheme == "http" || target.scheme == "https" else {
      throw malformed(url, "it requests uploads over unencrypted http, to \(target.origin)")
    }
    return target
  }
}
