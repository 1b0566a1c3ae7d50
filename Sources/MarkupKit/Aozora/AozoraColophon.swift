/// Where the text of a work ends and its colophon begins (底本, the source edition), and what the colophon says.
extension AozoraWork {
  func opensColophon(_ text: UnsafeBufferPointer<UInt8>, _ line: Range<Int>) -> Bool {
    var line = UnsafeBufferPointer(rebasing: text[line])
    while line.has("　", at: 0) { line = UnsafeBufferPointer(rebasing: line[3...]) }
    while line.first == 0x3D { line = UnsafeBufferPointer(rebasing: line[1...]) }  // a rule without its line end
    guard let first = line.first else { return false }
    switch first {
    case 0xE5:
      guard line.has("底本", at: 0) || line.has("定本", at: 0) else { return false }
      return line.has("：", at: 6) || line.has(":", at: 6) || line.count == 6
    case 0xEF: return line.has("［＃本文終わり］", at: 0) || line.has("［＃ここで本文終わり］", at: 0)
    case 0xE2: return line.has("●入力者注", at: 0)
    default: return false
    }
  }

  func namesTypist(_ text: UnsafeBufferPointer<UInt8>, _ line: Range<Int>) -> Bool {
    let line = UnsafeBufferPointer(rebasing: text[line])
    return ["入力：", "入力者：", "入力者注", "テキスト入力"].contains { line.has($0, at: 0) }
  }

  /// Whether the colophon says that the work is in copyright and published with permission or under a license.
  public static func isLicensed(colophon: UnsafeBufferPointer<UInt8>) -> Bool {
    let marks: [StaticString] = ["著作権者自らの意思", "クリエイティブ・コモンズ", "creativecommons.org"]
    return colophon.indices.contains { at in
      switch colophon[at] {
      case 0xE8, 0xE3, 0x63: marks.contains { colophon.has($0, at: at) }
      default: false
      }
    }
  }
}
