import Glibc
import ShardKit

/// Boilerplate lines of web pages: navigation, sharing, copyright.
///
/// A line is boilerplate if it consists of one or more of the phrases with only separators between them (トップページ > ブログ),
/// or if it starts or ends with a copyright notice. Latin letters match in either case.
public struct Boilerplate: Equatable, Sendable {
  private let phrases: Set<UInt64>
  /// Whether a phrase contains 、 or 。.
  private let hasStops: Bool
  /// First characters of phrases and of copyright notices, as `first` finds them.
  private let firsts: Set<UInt32>
  /// Longer lines are not checked.
  static let maximumBytes = 240

  public init(phrases: [String]) {
    let lines = phrases.map { Array($0.utf8)[...] }
    self.phrases = Set(lines.map { recordHash(Self.folded($0)) })
    hasStops = lines.contains(where: Self.holdsStop)
    firsts = Set((lines + Self.copyrightStarts.map { Array($0.utf8)[...] }).compactMap(Self.first))
  }

  /// Removes boilerplate until the first and last `window` non-blank lines contain none; lines further inside move up
  /// as others are removed. Returns the characters removed. Lines end in LF.
  func peel(_ text: inout [UInt8], window: Int) -> Int {
    guard !text.isEmpty, window > 0 else { return 0 }
    var hits = firstHits(text[...], window)
    hits += lastHits(text[(hits.last?.upperBound ?? 0)...], window)
    guard !hits.isEmpty else { return 0 }
    hits.sort { $0.lowerBound < $1.lowerBound }
    var kept: [UInt8] = []
    kept.reserveCapacity(text.count)
    var run = 0, removed = 0
    for line in hits where line.lowerBound >= run {
      kept.append(contentsOf: text[run..<line.lowerBound])
      run = min(line.upperBound + 1, text.count)
      removed += text[line.lowerBound..<run].count { !$0.isContinuation }
    }
    kept.append(contentsOf: text[run...])
    if run == text.count, kept.last == 0x0A { kept.removeLast() }
    text = kept
    return removed
  }

  /// The lines to remove before the first `window` kept lines.
  private func firstHits(_ text: ArraySlice<UInt8>, _ window: Int) -> [Range<Int>] {
    var hits: [Range<Int>] = []
    var start = 0, kept = 0
    while start < text.endIndex, kept < window {
      let end = Self.lineEnd(text, start)
      if end > start {
        if matches(text[start..<end]) { hits.append(start..<end) } else { kept += 1 }
      }
      start = end + 1
    }
    return hits
  }

  /// The lines to remove after the last `window` kept lines.
  private func lastHits(_ text: ArraySlice<UInt8>, _ window: Int) -> [Range<Int>] {
    var hits: [Range<Int>] = []
    var end = text.endIndex, kept = 0
    while end > text.startIndex, kept < window {
      let start = Self.lineStart(text, end)
      if end > start {
        if matches(text[start..<end]) { hits.append(start..<end) } else { kept += 1 }
      }
      end = start - 1
    }
    return hits
  }

  private static func lineEnd(_ text: ArraySlice<UInt8>, _ start: Int) -> Int {
    text[start...].withUnsafeBufferPointer { bytes in
      let feed = memchr(bytes.baseAddress!, 0x0A, bytes.count)
      return start + (feed.map { UnsafeRawPointer($0) - UnsafeRawPointer(bytes.baseAddress!) } ?? bytes.count)
    }
  }

  private static func lineStart(_ text: ArraySlice<UInt8>, _ end: Int) -> Int {
    text[..<end].withUnsafeBufferPointer { bytes in
      var start = bytes.count
      while start > 0, bytes[start - 1] != 0x0A { start -= 1 }
      return text.startIndex + start
    }
  }

  func matches(_ line: ArraySlice<UInt8>) -> Bool {
    guard !line.isEmpty, line.count <= Self.maximumBytes, mayMatch(line), hasStops || !Self.holdsStop(line) else {
      return false
    }
    let folded = Self.folded(line)
    if folded.isEmpty { return false }
    return phrases.contains(recordHash(folded)) || Self.isCopyright(folded) || isRow(folded)
  }

  /// Whether the line contains 、 or 。; it is then not navigation (unless a phrase contains one).
  private static func holdsStop(_ line: ArraySlice<UInt8>) -> Bool {
    line.withUnsafeBufferPointer { bytes in
      for i in 0..<max(0, bytes.count - 2) where bytes[i] == 0xE3 {
        let isStop = bytes[i + 1] == 0x80 && (bytes[i + 2] == 0x81 || bytes[i + 2] == 0x82)
        if isStop { return true }
      }
      return false
    }
  }

  /// Phrases with separators between them.
  private func isRow(_ line: [UInt8]) -> Bool {
    var pieces = 0
    for piece in line.split(separator: Self.separator) {
      let trimmed = Self.trimmed(piece)
      if trimmed.isEmpty { continue }
      guard phrases.contains(recordHash(Array(trimmed))) || Self.isWordRow(trimmed, phrases) else { return false }
      pieces += 1
    }
    return pieces > 0
  }

  /// Phrases with spaces between them, each without a space of its own.
  private static func isWordRow(_ piece: ArraySlice<UInt8>, _ phrases: Set<UInt64>) -> Bool {
    let words = piece.split(separator: 0x20)
    return words.count > 1 && words.allSatisfy { phrases.contains(recordHash(Array($0))) }
  }

  /// Whether the line begins like a phrase or a copyright notice, or ends like one of these; few lines do.
  private func mayMatch(_ line: ArraySlice<UInt8>) -> Bool {
    guard let first = Self.first(line) else { return false }
    return firsts.contains(first) || Self.mayEndNotice(line)
  }

  /// The first character that `folded` leaves, or its first three bytes; nil if there is none.
  private static func first(_ line: ArraySlice<UInt8>) -> UInt32? {
    var i = line.startIndex
    while i < line.endIndex {
      let byte = line[i]
      if byte < 0x80 {
        if !isFoldedEdge(byte) { return UInt32(byte &- 0x41 < 26 ? byte | 0x20 : byte) }
        i += 1
      } else if let width = separatorWidth(line, i) {
        i += width
      } else {
        return line[i...].prefix(byte < 0xE0 ? 2 : 3).reduce(0) { $0 << 8 | UInt32($1) }
      }
    }
    return nil
  }

  /// Whether the last byte that `folded` leaves is the last one of "reserved" or "reserved.".
  private static func mayEndNotice(_ line: ArraySlice<UInt8>) -> Bool {
    var end = line.endIndex
    while end > line.startIndex {
      let byte = line[end - 1]
      if byte < 0x80 {
        guard isFoldedEdge(byte) else { return byte | 0x20 == 0x64 || byte == 0x2E }
        end -= 1
      } else if let width = [2, 3].first(where: { end - $0 >= line.startIndex && separatorWidth(line, end - $0) == $0 })
      {
        end -= width
      } else {
        return false
      }
    }
    return false
  }

  /// An edge, or what becomes a separator.
  private static func isFoldedEdge(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x20, separator, 0x5B, 0x5D, 0x3A, 0x2A, 0x3E, 0x3C, 0x2F: true
    default: false
    }
  }

  private static let copyrightStarts = ["copyright", "©", "(c) 19", "(c) 20", "powered by "]

  private static func isCopyright(_ line: [UInt8]) -> Bool {
    func ends(_ text: String) -> Bool {
      line.count >= text.utf8.count && line.suffix(text.utf8.count).elementsEqual(text.utf8)
    }
    return copyrightStarts.contains { line.starts(with: $0.utf8) }
      || ends("all rights reserved") || ends("all rights reserved.")
  }

  private static let separator: UInt8 = 0x7C
  private static let separators: [[UInt8]] = [
    "｜", "＞", "»", "«", "›", "‹", "→", "←", "▲", "▼", "►", "◀", "／", "≫", "≪",
  ]
  .map { Array($0.utf8) }
  private static let isSeparatorLead = ByteTable { lead in separators.contains { $0[0] == lead } }

  private static func separatorWidth(_ line: ArraySlice<UInt8>, _ i: Int) -> Int? {
    if line[i] == 0xE3 { return line[i...].starts(with: [0xE3, 0x83, 0xBB]) ? 3 : nil }  // ・
    guard isSeparatorLead[Int(line[i])] else { return nil }
    return separators.first { line[i...].starts(with: $0) }?.count
  }

  /// Lower-cased, with every separator as `|`, and trimmed of spaces and brackets.
  private static func folded(_ line: ArraySlice<UInt8>) -> [UInt8] {
    var out: [UInt8] = []
    out.reserveCapacity(line.count)
    var i = line.startIndex
    while i < line.endIndex {
      let byte = line[i]
      if byte < 0x80 {
        let isUpper = byte &- 0x41 < 26
        out.append(isUpper ? byte | 0x20 : byte == 0x3E || byte == 0x3C || byte == 0x2F ? separator : byte)
        i += 1
      } else if let found = separatorWidth(line, i) {
        out.append(separator)
        i += found
      } else {
        out.append(byte)
        i += 1
      }
    }
    return Array(trimmed(out[...]))
  }

  private static func trimmed(_ piece: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    var piece = piece
    func isEdge(_ byte: UInt8) -> Bool { byte == 0x20 || byte == separator || "[]:*".utf8.contains(byte) }
    while let first = piece.first, isEdge(first) { piece.removeFirst() }
    while let last = piece.last, isEdge(last) { piece.removeLast() }
    return piece
  }
}

extension Boilerplate {
  /// Phrases of Japanese web pages, collected for this project.
  public static let japaneseWeb = Boilerplate(phrases: japaneseWebPhrases)

  /// The phrases of `japaneseWeb` and of the given list.
  public static func japaneseWeb(and phrases: [String]) -> Boilerplate {
    phrases.isEmpty ? japaneseWeb : Boilerplate(phrases: japaneseWebPhrases + phrases)
  }

  private static let japaneseWebPhrases = """
    続きを読む 続きを見る もっと見る もっと読む すべて表示 全て表示 一覧を見る 一覧へ 一覧に戻る 記事一覧 記事一覧へ
    トップページ トップページへ トップページへ戻る トップ トップへ戻る ホーム ホームへ戻る HOME TOP メニュー メニューを開く
    メニューを閉じる サイトマップ サイト内検索 検索 検索する 閉じる 戻る 次へ 前へ 次のページ 前のページ 次のページへ
    前のページへ 前のページへ戻る 次の記事 前の記事 次の記事へ 前の記事へ ページトップ ページトップへ ページの先頭へ
    ページの先頭に戻る ページ上部へ ページ上部へ戻る このページの先頭へ このページのトップへ 上へ戻る PAGETOP
    本文へスキップ 本文へ 本文へ移動 コンテンツへスキップ ナビゲーション パンくずリスト 現在位置 現在地
    シェア シェアする シェアしてね この記事をシェア この記事をシェアする ツイート ツイートする いいね いいね! つぶやく
    LINEで送る ブックマーク はてなブックマーク お気に入り お気に入りに追加 印刷 印刷する Facebook Twitter Instagram LINE
    YouTube Tweet Share Pocket Pinterest RSS フォローする フォロー コピー リンクをコピー
    ログイン ログアウト 新規登録 会員登録 新規会員登録 無料会員登録 マイページ カート カートを見る ヘルプ
    お問い合わせ お問合せ お問い合わせはこちら お問い合わせフォーム よくある質問 FAQ 会社概要 会社案内 企業情報 採用情報
    運営会社 運営者情報 プライバシーポリシー 個人情報保護方針 個人情報の取り扱い 個人情報の取り扱いについて 利用規約
    ご利用規約 ご利用ガイド ご利用案内 特定商取引法に基づく表記 特定商取引法に基づく表示 免責事項 著作権について
    リンクについて このサイトについて 当サイトについて アクセシビリティ アクセス
    関連記事 関連リンク 関連ページ 関連キーワード おすすめ記事 おすすめの記事 人気記事 人気の記事 人気記事ランキング
    新着記事 新着情報 最新記事 最新の記事 最近の記事 最近の投稿 最近のコメント カテゴリ カテゴリー カテゴリ一覧
    カテゴリー一覧 アーカイブ 月別アーカイブ タグ タグ一覧 プロフィール ランキング トラックバック
    トラックバックURL コメント コメント一覧 コメントを書く コメントを残す コメントする コメントを投稿する
    コメントはまだありません コメントはありません 返信 返信する 返信をキャンセル 広告 スポンサーリンク
    スポンサードリンク PR 編集 削除 報告する 通報する ページを表示 文字サイズ 標準 拡大 特大 English 日本語
    """.split { $0 == " " || $0 == "\n" }.map(String.init)
}
