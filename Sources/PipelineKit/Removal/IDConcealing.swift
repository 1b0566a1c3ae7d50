import ShardKit

/// Replaces ids in sentences.
enum IDConcealing {
  /// The sentence with another name for an id. An id of few bytes is replaced where it is a word by itself; a
  /// longer one everywhere, since a search would find it everywhere.
  static func concealed(_ id: String, in sentence: String, as alias: String) -> String {
    let (id, bytes) = (Array(id.utf8), Array(sentence.utf8))
    guard !id.isEmpty else { return sentence }
    var out: [UInt8] = []
    var at = 0
    while at < bytes.count {
      let end = at + id.count
      if end <= bytes.count, bytes[at] == id[0], bytes[at..<end].elementsEqual(id),
        id.count >= TailTable.bytes || (isBetweenWords(bytes, at) && isBetweenWords(bytes, end))
      {
        out += Array(alias.utf8)
        at = end
      } else {
        out.append(bytes[at])
        at += 1
      }
    }
    return String(decoding: out, as: UTF8.self)
  }

  /// Whether a place of a sentence is an end of a word; a point is one only where no word goes on after it.
  private static func isBetweenWords(_ bytes: [UInt8], _ at: Int) -> Bool {
    func isPart(_ place: Int) -> Bool {
      guard bytes.indices.contains(place) else { return false }
      if bytes[place] == UInt8(ascii: ".") {
        return bytes.indices.contains(place + 1) && !" \n\"'".utf8.contains(bytes[place + 1])
      }
      return !" \t\r\n\"'`<>()[]{},;:=|!?".utf8.contains(bytes[place])
    }
    return !isPart(at - 1) || !isPart(at)
  }
}
