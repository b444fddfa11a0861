# ruff: noqa: E501, RUF001  (pages are as wide as they are)
"""Challenges and blocks as sites send them, by name: status, headers, body. Written for these tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Case(NamedTuple):
    """An answer."""

    body: str
    status: int = 200
    headers: Mapping[str, str] = {}
    cookies: tuple[str, ...] = ()


def html(title: str, body: str, head: str = "") -> str:
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>{head}'
        f"</head><body>{body}</body></html>"
    )


NAV = "".join(f'<li><a href="/section/{n}">Section {n}</a></li>' for n in range(40))
STYLE = "<style>" + "".join(f".box{n}{{margin:{n}px;padding:0}}" for n in range(300)) + "</style>"
CF_SCRIPT = (
    "<script>(function(){window._cf_chl_opt={cvId:'3',cZone:'shop.example',cType:'managed',"
    "cRay:'8f00aa11bb22cc33'};var a=document.createElement('script');"
    "a.src='/cdn-cgi/challenge-platform/h/g/orchestrate/chl_page/v1?ray=8f00aa11bb22cc33';"
    "document.getElementsByTagName('head')[0].appendChild(a);}());</script>"
)

BLOCKS: dict[str, Case] = {
    # Cloudflare
    "cloudflare managed challenge, 403": Case(
        html(
            "Just a moment...",
            '<div class="main-wrapper"><noscript>Enable JavaScript and cookies to continue</noscript>'
            f"</div>{CF_SCRIPT}",
            STYLE + '<meta name="robots" content="noindex,nofollow">',
        ),
        403,
        {"Server": "cloudflare", "CF-Mitigated": "challenge"},
    ),
    "cloudflare managed challenge, 200, no header": Case(
        html("Just a moment...", f"<h1>shop.example</h1>{CF_SCRIPT}", STYLE)
    ),
    "cloudflare challenge in German, title is the host": Case(
        html(
            "shop.example",
            "<h1>shop.example</h1><p>Bestätigen Sie, dass Sie ein Mensch sind. Dies kann einige Sekunden "
            f"dauern.</p>{CF_SCRIPT}",
        ),
        503,
    ),
    "cloudflare old browser check, 503": Case(
        html(
            "Just a moment...",
            '<div class="cf-browser-verification cf-im-under-attack"><h1><span>Checking your browser before '
            "accessing</span> shop.example.</h1><p>This process is automatic. Your browser will redirect to "
            "your requested content shortly.</p><p>DDoS protection by Cloudflare</p></div>",
        ),
        503,
        {"Server": "cloudflare"},
    ),
    "cloudflare firewall rule 1020": Case(
        html(
            "Attention Required! | Cloudflare",
            "<div id='cf-wrapper'><h1>Sorry, you have been blocked</h1><h2>You are unable to access "
            "shop.example</h2><h2>Why have I been blocked?</h2><p>This website is using a security service "
            "to protect itself from online attacks. The action you just performed triggered the security "
            "solution. There are several actions that could trigger this block including submitting a "
            "certain word or phrase, a SQL command or malformed data.</p><h2>What can I do to resolve "
            "this?</h2><p>You can email the site owner to let them know you were blocked.</p>"
            "<p>Cloudflare Ray ID: 8f00aa11bb22cc33</p></div>",
        ),
        403,
        {"Server": "cloudflare"},
    ),
    "cloudflare header alone": Case("", 403, {"cf-mitigated": "challenge"}),
    "cloudflare turnstile interstitial of the site's own": Case(
        html(
            "One moment",
            '<h2>Verify you are human</h2><form method="post"><div class="cf-turnstile" data-sitekey="0x4">'
            "</div></form><script src='https://challenges.cloudflare.com/turnstile/v0/api.js'></script>",
        )
    ),
    # DataDome
    "datadome page": Case(
        html(
            "shop.example",
            "<p id='cmsg'>Please enable JS and disable any ad blocker</p><script>var dd={'rt':'c','cid':"
            "'AHrlqAAA','hsh':'ABC','t':'bv','s':1234,'host':'geo.captcha-delivery.com'}</script>"
            "<script src='https://ct.captcha-delivery.com/c.js'></script>",
        ),
        403,
        {"X-DataDome": "protected"},
        ("datadome",),
    ),
    "datadome page with 200": Case(
        "<html><head><title>shop.example</title></head><body><script>var dd={'rt':'i','host':"
        "'geo.captcha-delivery.com'}</script><script src='//ct.captcha-delivery.com/i.js'></script></body></html>"
    ),
    "datadome json": Case(
        '{"url":"https://geo.captcha-delivery.com/captcha/?initialCid=AHrl&cid=1&t=fe&s=2"}',
        403,
        {"Content-Type": "application/json"},
    ),
    # PerimeterX / HUMAN
    "human press and hold": Case(
        html(
            "Access to this page has been denied",
            "<h1>Press &amp; Hold to confirm you are a human (and not a bot).</h1><div id='px-captcha'></div>"
            "<p>Reference ID 1f2e3d4c-5b6a</p><script>window._pxAppId='PXabcd1234';</script>"
            "<script src='//captcha.px-cdn.net/PXabcd1234/captcha.js'></script>",
        ),
        403,
    ),
    "human with 200 and a plain title": Case(
        html(
            "shop.example",
            "<p>Before we continue...</p><p>Press &amp; Hold to confirm you are a human</p>"
            "<div id='px-captcha'></div>",
            STYLE,
        )
    ),
    # Akamai
    "akamai access denied": Case(
        "<HTML><HEAD>\n<TITLE>Access Denied</TITLE>\n</HEAD><BODY>\n<H1>Access Denied</H1>\n \nYou don't have "
        'permission to access "http&#58;&#47;&#47;shop&#46;example&#47;" on this server.<P>\nReference&#32;&#35;'
        "18&#46;1a2b3c4d&#46;1700000000&#46;5e6f7a8b\n<P>https&#58;&#47;&#47;errors&#46;edgesuite&#46;net</P>"
        "</BODY>\n</HTML>",
        403,
        {"Server": "AkamaiGHost"},
    ),
    "akamai interstitial by refresh": Case(
        '<html><head><meta http-equiv="refresh" content="5; URL=\'/list?page=2&bm-verify=AAQAAAAJ\'" />'
        '<title>&nbsp;</title></head><body><script>var i=1;var j=i+Number("12"+"34");</script></body></html>'
    ),
    "akamai crypto challenge": Case(
        "<!DOCTYPE html><html><head><title>Challenge Validation</title></head><body><div id='sec-if-cpt-container'"
        "></div><script src='/_sec/cp_challenge/crypto_message-4-3.htm'></script></body></html>",
        428,
    ),
    # Imperva
    "incapsula iframe": Case(
        '<html style="height:100%"><head><META NAME="ROBOTS" CONTENT="NOINDEX, NOFOLLOW"><script src="/_Incapsula'
        '_Resource?SWJIYLWA=719d"></script></head><body><iframe id="main-iframe" src="/_Incapsula_Resource?CWUDNSAI'
        '=23&xinfo=1&incident_id=1-2" frameborder=0>Request unsuccessful. Incapsula incident ID: 1-2</iframe></body>'
        "</html>",
        200,
        {},
        ("incap_ses_123",),
    ),
    "imperva pardon our interruption": Case(
        html(
            "Pardon Our Interruption",
            "<h1>Pardon Our Interruption</h1><p>As you were browsing something about your browser made us think "
            "you were a bot. There are a few reasons this might happen:</p><ul><li>You're a power user moving "
            "through this website with super-human speed.</li><li>You've disabled cookies in your web browser."
            "</li><li>A third-party browser plugin is preventing JavaScript from running.</li></ul>"
            "<p>To regain access, please make sure that cookies and JavaScript are enabled.</p>",
        )
    ),
    # AWS WAF
    "aws waf challenge by header": Case("", 202, {"x-amzn-waf-action": "challenge"}),
    "aws waf captcha page": Case(
        html(
            "Human Verification",
            "<div id='captcha-container'></div><noscript><h1>JavaScript is disabled</h1>In order to continue, we "
            "need to verify that you're not a robot.</noscript><script>window.gokuProps={key:'AQID'};</script>"
            "<script src='https://1a2b.token.awswaf.com/1a2b/captcha.js'></script>",
        ),
        405,
    ),
    "aws waf challenge without a title": Case(
        "<!DOCTYPE html><html lang=en><head><title></title><script>window.awsWafCookieDomainList=[];window.gokuProps="
        "{key:'AQID',iv:'x',context:'y'};</script><script src='https://1.token.awswaf.com/1/challenge.js'></script>"
        "</head><body><div id='challenge-container'></div></body></html>"
    ),
    # Others
    "google sorry": Case(
        html(
            "https://www.example.com/search?q=x",
            "<form id='captcha-form' action='index' method='post'><div class='g-recaptcha' data-sitekey='6L'></div>"
            "<input type='hidden' name='q' value='x'></form><b>About this page</b><br>Our systems have detected "
            "unusual traffic from your computer network. This page checks to see if it's really you sending the "
            "requests, and not a robot.",
        ),
        429,
    ),
    "amazon robot check": Case(
        html(
            "Amazon.example",
            "<h4>Enter the characters you see below</h4><p>Sorry, we just need to make sure you're not a robot. For "
            "best results, please make sure your browser is accepting cookies.</p><form method='get' action='/errors/"
            "validateCaptcha'><input type='hidden' name='amzn' value='x'><h4>Type the characters you see in this "
            "image:</h4><img src='https://images.example/captcha/abc.jpg'><input type='text' id='captchacharacters'>"
            "</form><a href='/c'>Conditions of Use</a><a href='/p'>Privacy Policy</a>",
        )
    ),
    "yandex smart captcha": Case(
        html(
            "Вы не робот?",
            "<form action='/checkcaptcha?key=1' method='post'><span>Подтвердите, что запросы отправляли вы, а не робот"
            "</span><div class='smart-captcha'></div></form>",
        )
    ),
    "kasada": Case(
        "<html><head></head><body><script>window.KPSDK={};KPSDK.now=function(){return Date.now()};</script>"
        "<script src='/149e9513/2d206a39/ips.js?KP_UIDz=abc'></script></body></html>",
        429,
    ),
    "f5 request rejected": Case(
        "<html><head><title>Request Rejected</title></head><body>The requested URL was rejected. Please consult with "
        "your administrator.<br><br>Your support ID is: 1234567890123456789<br><br><a href='javascript:history.back()'>"
        "[Go Back]</a></body></html>"
    ),
    "f5 javascript challenge": Case(
        "<html><head><meta http-equiv='Pragma' content='no-cache'/><script>(function(){window['bobcmn']='10111';window"
        "['TSPD_101']='x'})();</script><script src='/TSPD/0812?type=10'></script><noscript>Please enable JavaScript to "
        "view the page content.<br/>Your support ID is: 123.</noscript></head><body></body></html>"
    ),
    "sucuri denied": Case(
        html(
            "Sucuri WebSite Firewall - Access Denied",
            "<h1>Access Denied - Sucuri Website Firewall</h1><p>If you are the site owner (or you manage this site), "
            "please whitelist your IP or if you think this block is an error please open a support ticket.</p>",
        ),
        403,
    ),
    "sucuri javascript": Case(
        "<html><title>You are being redirected...</title><noscript>Javascript is required. Please enable javascript "
        "before you are allowed to see this page.</noscript><script>var s={},u,c,U,r,i,l=0;sucuri_cloudproxy_js='';"
        "document.cookie='sucuri=1';location.reload();</script></html>"
    ),
    "wordfence": Case(
        html(
            "Your access to this site has been limited",
            "<h1>Your access to this site has been limited by the site owner</h1><p>Your access to this service has "
            "been limited. (HTTP response code 503)</p><p>Generated by Wordfence at Tue, 14 Nov 2023</p>",
        ),
        503,
    ),
    "ddos-guard": Case(
        html(
            "DDoS-Guard",
            "<h1>Checking your browser before accessing shop.example</h1><p>Please wait a few seconds.</p>"
            "<script src='/.well-known/ddos-guard/check?context=free_splash'></script>",
        ),
        403,
        {"Server": "ddos-guard"},
    ),
    "siteground": Case(
        '<html><head><link rel="icon" href="data:;"><meta http-equiv="refresh" content="0;/.well-known/sgcaptcha/'
        '?r=%2Flist&y=ipr:192.0.2.1:1.2"></meta></head></html>',
        202,
    ),
    "anubis": Case(
        html(
            "Making sure you&#39;re not a bot!",
            "<h1>Making sure you&#39;re not a bot!</h1><p id='status'>Loading...</p><script id='anubis_challenge' "
            'type=\'application/json\'>{"rules":{"difficulty":4}}</script><details>You are seeing this because the '
            "administrator of this website has set up Anubis to protect the server against the scourge of companies "
            "aggressively scraping websites.</details>",
        )
    ),
    "vercel": Case(
        html(
            "Vercel Security Checkpoint",
            "<p>We're verifying your browser</p><p>Enable JavaScript to continue</p>",
        ),
        429,
    ),
    "alibaba punish": Case(
        "<script>sessionStorage.x5referer=window.location.href;window.location.replace('https://shop.example/"
        "_____tmd_____/punish?x5secdata=abc');</script>"
    ),
    # Those that sites make themselves
    "are you a robot": Case(
        html("Are you a robot?", "<p>Please confirm that you are not a robot.</p>")
    ),
    "a heading and a widget": Case(
        "<html><body><h1>Please verify you are a human</h1><div class='g-recaptcha' data-sitekey='6Lx'></div>"
        "<script src='https://www.google.com/recaptcha/api.js'></script></body></html>"
    ),
    "a widget and nothing else": Case(
        html(
            "shop.example",
            "<form method='post'><div class='h-captcha' data-sitekey='1'></div></form>",
        )
    ),
    "a bare word": Case("<html><body><h1>captcha</h1></body></html>"),
    "a picture to read": Case(
        html(
            "Security check",
            "<p>Too many requests from your address. Type the characters in the picture:</p><form action='/unlock'>"
            "<img src='/captcha.php?1'><input name='captcha'><input type='submit'></form>",
        )
    ),
    "access denied with 200": Case(
        html("Access Denied", "<h1>Access Denied</h1><p>Your IP address has been blocked.</p>")
    ),
    "unusual traffic": Case(
        html(
            "Sorry",
            "<h2>Unusual traffic</h2><p>We have detected unusual traffic from your network. Try later.</p>",
        )
    ),
    "a challenge by refresh": Case(
        '<html><head><meta http-equiv="refresh" content="2;url=/challenge?next=%2Flist"></head><body></body></html>'
    ),
    "a challenge by cookie and reload": Case(
        "<html><body><script>document.cookie='k='+(7*191)+';path=/';location.reload(true)</script></body></html>"
    ),
    "with the layout of the site around it": Case(
        html(
            "Verify you are human - Shop",
            f"<ul>{NAV}</ul><main><h1>Verify you are human</h1><p>We noticed unusual activity. Please solve this "
            "captcha to go on.</p><form action='/captcha/check'><div class='g-recaptcha'></div></form></main>"
            "<footer>Shop Ltd, 1 Street, Town. All rights reserved.</footer>",
            STYLE,
        )
    ),
    "in French": Case(
        html(
            "Accès refusé",
            "<h1>Confirmez que vous n'êtes pas un robot</h1><div class='g-recaptcha'></div>",
        )
    ),
    "in Chinese": Case(
        html(
            "安全验证",
            "<p>请完成安全验证后继续访问</p><div id='captcha'></div><form id='captcha-form'></form>",
        )
    ),
}
