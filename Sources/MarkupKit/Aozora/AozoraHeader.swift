/// Title and people from the first lines of a work, for works not in an index.
public struct AozoraHeader {
  public var title = ""
  public var subtitle = ""
  /// Role as in the index (著者, 翻訳者, 編者, 校訂者) and name.
  public var people: [(role: String, name: String)] = []

  /// The first line is the title, and the last line without another role is the author; lines between are an original
  /// title (Latin letters only) or a subtitle.
  public init(_ lines: [String]) {
    guard let first = lines.first else { return }
    title = first
    var rest: [String] = []
    for line in lines.dropFirst() {
      if let (role, name) = Self.role(of: line) { people.append((role, name)) } else { rest.append(line) }
    }
    if let author = rest.popLast() { people.insert(("著者", author), at: 0) }
    subtitle = rest.first { !$0.unicodeScalars.allSatisfy { $0.value < 0x250 } } ?? ""
  }

  private static func role(of line: String) -> (String, String)? {
    for (ending, role) in [
      ("編訳", "翻訳者"), ("訳", "翻訳者"), ("校訂", "校訂者"), ("編集", "編者"), ("編纂", "編者"), ("編", "編者"), ("監修", "監修者"),
    ] where line.hasSuffix(ending) && line.count > ending.count {
      let name = line.dropLast(ending.count)
      return (role, String(name.last == "　" || name.last == " " ? name.dropLast() : name))
    }
    return nil
  }
}
