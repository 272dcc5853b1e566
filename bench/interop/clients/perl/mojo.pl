use v5.36;
use utf8;

use Mojo::Util 'encode';
use Mojo::UserAgent;
use Mojo::WebSocket qw(WS_CONTINUATION WS_TEXT);

$| = 1;
my ($url, $how) = @ARGV;
my %header = $how eq 'offer' ? ('Sec-WebSocket-Extensions' => 'permessage-deflate') : ();
my $ua     = Mojo::UserAgent->new;
$ua->websocket($url => \%header => sub ($ua, $tx) {
  die 'refused: ' . $tx->res->code unless $tx->is_websocket;
  $tx->on(text => sub ($tx, $bytes) {
    say 'text ', unpack 'H*', $bytes;
    $tx->finish(1000) if $bytes eq 'bye';
  });
  $tx->on(binary => sub ($tx, $bytes) { say 'binary ', unpack 'H*', $bytes });
  $tx->on(finish => sub ($tx, $code, $reason) { say "closed $code" });
  $tx->send({text => encode 'UTF-8', 'Grüße, 世界 🙂'});
  $tx->send({binary => join '', map chr, 0 .. 255});
  $tx->send([0, 0, 0, 0, WS_TEXT,         'frag']);
  $tx->send([0, 0, 0, 0, WS_CONTINUATION, 'men']);
  $tx->send([1, 0, 0, 0, WS_CONTINUATION, 'ted']);
  $tx->send({text => 'x' x 65536});
});
Mojo::IOLoop->start;
