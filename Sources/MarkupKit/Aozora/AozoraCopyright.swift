extension AozoraIndex.Entry {
  /// Takes a row's copyright flags into account: a work is in the public domain if every row of it says that neither the
  /// work nor the person, who may be a translator or an editor, is in copyright.
  mutating func takeCopyright(work: String, person: String) {
    let isFree = work == "なし" && person == "なし"
    isPublicDomain = isFree && isPublicDomain != false
  }
}
