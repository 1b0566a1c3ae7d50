import ShardKit

/// A row of the metadata: one file of one repository. Missing fields are empty.
struct CodeRow {
  /// The SHA-1 of the content, as 40 hexadecimal digits.
  var blob = ""
  var path = ""
  var repository = ""
  var revision = ""
  var language = ""
  var `extension` = ""
  var encoding = ""
  var licenseType = ""
  var licenses: [String] = []
  var isVendored = false
  var isGenerated = false
  var bytes: Int?

  /// The columns that are read, with their names in the data set.
  enum Column: String, CaseIterable {
    case blob = "blob_id"
    case path
    case repository = "repo_name"
    case revision = "revision_id"
    case language
    case `extension`
    case encoding = "src_encoding"
    case licenseType = "license_type"
    case licenses = "detected_licenses"
    case isVendored = "is_vendor"
    case isGenerated = "is_generated"
    case bytes = "length_bytes"

    init?(_ name: UnsafeRawBufferPointer) {
      guard let column = Self.allCases.first(where: { $0.rawValue.utf8.elementsEqual(name) }) else { return nil }
      self = column
    }
  }

  mutating func set(_ column: Column, _ value: UnsafeRawBufferPointer) {
    func text() -> String { String(decoding: value, as: UTF8.self) }
    switch column {
    case .blob: blob = text()
    case .path: path = text()
    case .repository: repository = text()
    case .revision: revision = text()
    case .language: language = text()
    case .extension: self.extension = text()
    case .encoding: encoding = text()
    case .licenseType: licenseType = text()
    case .licenses: licenses = Self.words(value)
    case .isVendored: isVendored = Self.isTrue(value)
    case .isGenerated: isGenerated = Self.isTrue(value)
    case .bytes: bytes = parseUnsigned(value).flatMap { Int(exactly: $0) }
    }
  }

  /// A list as JSON, as Python prints it, or separated by commas: SPDX identifiers contain none of these characters.
  private static func words(_ list: UnsafeRawBufferPointer) -> [String] {
    let signs = Array("[]'\",;| \t\n".utf8)
    return list.split(whereSeparator: { signs.contains($0) }).map { String(decoding: $0, as: UTF8.self) }
  }

  private static func isTrue(_ value: UnsafeRawBufferPointer) -> Bool {
    ["true", "1", "t"].contains(String(decoding: value.prefix(8), as: UTF8.self).lowercased())
  }

  /// Why the row is invalid, or nil.
  var problem: String? {
    guard blob.utf8.count == 40, blob.utf8.allSatisfy({ $0 >= 48 && $0 <= 57 || $0 >= 97 && $0 <= 102 }) else {
      return blob.isEmpty ? "it has no \"blob_id\"" : "its \"blob_id\" is not 40 hexadecimal digits"
    }
    return bytes == nil ? "it has no \"length_bytes\"" : nil
  }

  /// The row of the selection, without its line end.
  var line: [UInt8] {
    var out = Array("{".utf8)
    func add(_ key: String, _ value: String) {
      if out.count > 1 { out.append(UInt8(ascii: ",")) }
      JSONText.append(string: key, to: &out)
      out.append(UInt8(ascii: ":"))
      JSONText.append(string: value, to: &out)
    }
    add("blob_id", blob)
    add("path", path)
    add("repository", repository)
    add("revision", revision)
    add("language", language)
    add("encoding", encoding)
    add("licenseType", licenseType)
    out += Array(#","licenses":\#(JSONValue.strings(licenses).text()),"bytes":\#(bytes ?? 0)}"#.utf8)
    return out
  }
}

/// A row of the selection, read back.
struct SelectedRow {
  var blob: [UInt8] = []
  var repository: [UInt8] = []
  var encoding: [UInt8] = []
  var bytes = 0

  /// - Parameter line: one that `CodeRow.line` wrote, from a `LineReader`.
  init(_ line: UnsafeRawBufferPointer, _ json: JSONObjectReader) {
    _ = json.read(padded: line) { field in
      if field.has(key: "blob_id") {
        blob = Array(field.value)
      } else if field.has(key: "repository") {
        repository = Array(field.value)
      } else if field.has(key: "encoding") {
        encoding = Array(field.value)
      } else if field.has(key: "bytes") {
        bytes = parseUnsigned(field.value).flatMap { Int(exactly: $0) } ?? 0
      }
    }
  }
}
