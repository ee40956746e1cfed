"""Family names of people who write English: with another capitalised word before them they make a person."""

from __future__ import annotations

from jangin.pii.words import words

# Hardly anything but a family name.
SURNAMES = frozenset(
    words("""
    Smith Johnson Williams Jones Davis Miller Wilson Anderson Thompson Robinson Rodriguez Hernandez Martinez Gonzalez
    Perez Sanchez Ramirez Torres Flores Rivera Gomez Diaz Reyes Morales Ortiz Gutierrez Chavez Ramos Ruiz Mendoza
    Alvarez Castillo Jimenez Moreno Romero Herrera Medina Aguilar Vargas Guzman Mendez Munoz Salazar Garza Soto
    Vazquez Alvarado Delgado Pena Contreras Sandoval Guerrero Ortega Estrada Nunez Maldonado Vega Santiago Dominguez
    Espinoza Rojas Fuentes Cervantes Velasquez Figueroa Acosta Navarro Molina Campos Cabrera Padilla Cardenas Mejia
    Ibarra Villarreal Trujillo Zamora Pacheco Quintero Escobar Barrera Ochoa Solis Montoya Fernandez Lopez Garcia
    Silva Santos Pereira Oliveira Costa Ferreira Almeida Carvalho Souza Rodrigues Fernandes Gomes Martins Sousa
    Ribeiro Barbosa Nelson Mitchell Roberts Phillips Evans Edwards Collins Stewart Morris Murphy Rogers Peterson
    Bailey Richardson Watson Hughes Sanders Myers Sullivan Wallace Gibson Henderson Patterson Simmons Jenkins Barnes
    Hamilton Griffin Fisher Reynolds Jordan Alexander McDonald MacDonald Bryant Ferguson Spencer Gardner Stephens
    Payne Pierce Berry Matthews Wagner Willis Ray Watkins Olson Carroll Snyder Harrison Hudson Lawson Dixon Palmer
    Robertson Black Holmes Rice Kennedy Warren Burns Arnold Harvey Wheeler Oconnor O'Connor O'Brien O'Neill O'Sullivan
    O'Reilly O'Donnell O'Hara O'Leary O'Malley O'Keefe O'Grady O'Rourke D'Angelo D'Souza D'Amico McCarthy McKenzie
    MacKenzie McGrath McLaughlin McCormick McDermott McIntyre McIntosh McCoy McKay McKinney McLean McGuire McKnight
    McCall McCann McBride McMahon McNeil McPherson McGregor MacGregor McAllister McClure McCullough McDowell McElroy
    McFarland McGowan McGee McGill McKee McKenna McNamara McNulty McQueen Macleod MacLeod Fitzgerald Fitzpatrick
    Gallagher Doherty Byrne Walsh Doyle Nolan Brennan Donovan Callahan Kavanagh Keane Lynch Moran Maguire Duffy Foley
    Power Hogan Hennessy Higgins Hickey Healy Daly Farrell Flynn Flanagan Finnegan Cullen Cunningham Dempsey Devlin
    Connolly Connelly Delaney Rafferty Rooney Reilly Regan Quigley Quinn Sheehan Sweeney Tierney Tobin Whelan Boyle
    Burke Casey Cassidy Clancy Coleman Corrigan Costello Crowley Curran Donnelly Dunne Egan Fallon Fogarty Geraghty
    Gleeson Kearney Kinsella Lowry Madden Mahoney Malone Mulligan Mullen Mullins Murray Campbell Cameron Sinclair
    Sutherland Buchanan Drummond Douglas Galloway Crawford Montgomery Cochrane Forsyth Fraser Ferrier Gillespie
    Gilchrist Kerr Lennox Lindsay Lockhart Maxwell Moffat Ogilvie Ramsay Rutherford Urquhart Wallis Abbott Adams
    Addison Aldridge Allan Allen Allison Andrews Appleby Archer Armitage Armstrong Arthur Ashby Ashton Askew Atherton
    Atkins Atkinson Austin Bagshaw Bainbridge Baldwin Ballard Bannister Barker Barlow Barnett Baron Barrett Bartlett
    Barton Bateman Baxter Beaumont Beckett Bedford Bellamy Bennett Benson Bentley Beresford Bickford Birch Blackburn
    Blackwell Blair Blake Blakely Blanchard Bolton Booth Boswell Bowen Bowers Bowman Boyd Bradford Bradley Bradshaw
    Brady Bramley Brandt Brewster Briggs Bristow Brock Brooks Broughton Browning Bryan Buckley Bullock Burgess Burnett
    Burrows Burton Butler Byers Cahill Caldwell Calvert Cannon Cantrell Carey Carlson Carlton Carmichael Carney
    Carpenter Carson Carver Chadwick Chambers Chandler Chaplin Chapman Charlton Christensen Christie Clark Clarke Clay
    Clayton Clements Clifford Clifton Coates Cobb Coffey Colbert Collier Compton Conley Connor Conrad Conway Cooke
    Cooper Copeland Corbett Cowan Cox Crosby Crosbie Cummings Curtis Dalton Daniel Daniels Davenport Davidson Davies
    Dawson Deacon Denham Denton Dickens Dickinson Dickson Dobson Dodd Donaldson Dougherty Downing Draper Drake
    Driscoll Dudley Duncan Dunlap Dunn Durham Dyer Eaton Edmonds Elliott Ellis Ellison Emerson English Erickson
    Faulkner Fenton Fielding Finch Finley Fleming Fletcher Flowers Forbes Forrest Foster Fowler Fox Francis Franklin
    Freeman French Frost Fuller Garner Garrett Garrison George Gibbons Gibbs Gilbert Giles Gill Gilmore Glover Goddard
    Godfrey Goodman Goodwin Gordon Gould Graham Granger Graves Gray Greene Greenwood Greer Gregory Griffith Griffiths
    Grimes Haines Hale Haley Hammond Hampton Hancock Hanson Harding Hardy Hargreaves Harmon Harper Harrington Harris
    Hart Hartley Hastings Hawkins Haynes Hayward Heath Hebert Helms Hendricks Hendrix Henry Henson Herbert Herring
    Hewitt Hickman Hicks Hilton Hinton Hobbs Hodge Hodges Hodgson Hoffman Holden Holland Holloway Holt Hooper Hopkins
    Hopper Horton Houghton Houston Howard Howarth Howe Howell Hubbard Huff Huffman Humphrey Humphreys Hurst Hutchinson
    Hutchison Hyde Ingram Irving Irwin Jackson Jacobs Jacobson James Jarvis Jefferson Jennings Jensen Johnston
    Johnstone Joyce Joyner Kane Kaufman Keith Keller Kelley Kelly Kemp Kendall Kenny Kent Kerry Kirby Kirk Kirkland
    Kirkpatrick Kline Kramer Lamb Lambert Lancaster Langley Langford Larsen Larson Lawrence Leach Leblanc Leigh
    Leonard Lester Levine Levy Lewis Livingston Lloyd Logan Love Lowe Lucas Lyons Mack Maddox Manning Marsh Marshall
    Martin Mason Massey Mathews Mathis Maynard Mayo Mays Meadows Melton Mercer Merritt Metcalfe Meyer Meyers Middleton
    Miles Mills Monroe Moody Mooney Moore Morgan Morley Morrison Morrow Morse Morton Moses Mosley Moss Moyer Murdock
    Musgrave Nash Neal Neville Newell Newman Newton Nicholls Nichols Nicholson Nixon Noble Norman Norris Norton Oakley
    Odom Oldham Olsen Orr Osborn Osborne Owen Owens Padgett Page Parker Parkinson Parrish Parsons Patrick Patton
    Peacock Pearce Pearson Peck Pemberton Perkins Perry Peters Pettigrew Phelps Pickering Pierson Pitts Poole Porter
    Potter Powell Powers Pratt Prescott Preston Pritchard Proctor Pryor Pugh Putnam Ramsey Randall Randolph Rankin
    Rasmussen Ratcliffe Rawlings Redmond Reed Rees Reese Reeves Reid Rhodes Richards Richmond Ridley Riggs Riley
    Ritchie Roach Robbins Robson Roche Roebuck Rollins Rosenberg Rosenthal Ross Roth Rowe Rowland Rowley Russell Russo
    Rutledge Ryan Salter Sampson Samuels Sargent Saunders Savage Sawyer Sayer Schaefer Schmidt Schneider Schroeder
    Schultz Schulz Schwartz Sears Sellers Sexton Shaffer Shannon Shaw Shelton Shepard Shepherd Sheppard Sherman
    Shields Simon Simpson Sims Singleton Skinner Slater Slaughter Sloan Smart Snow Sparks Spears Spence Stafford
    Stanley Stanton Steele Stein Stephenson Stevens Stevenson Stokes Stout Strickland Stuart Sutton Swanson Sykes
    Talbot Tanner Tate Taylor Terrell Terry Thomas Thornton Thorpe Timms Todd Townsend Travers Travis Tremblay Trevino
    Tucker Turnbull Turner Tyler Tyson Underwood Valentine Vance Vaughan Vaughn Vickers Vincent Wade Wainwright
    Walters Walton Warburton Ware Warner Waters Watt Watts Weaver Webb Webber Weber Webster Weeks Weiss Welch Wells
    Wentworth Whitaker Whitehead Whitfield Whitney Whittaker Wiggins Wilcox Wilder Wiley Wilkerson Wilkins Wilkinson
    Willard Williamson Wiltshire Winchester Winslow Winstanley Winters Wolfe Woodard Woodruff Woods Woodward Wooten
    Worthington Wright Wyatt Wynn Yates Yorke Zimmerman Novak Kowalski Kowalczyk Nowak Wisniewski Zielinski
    Lewandowski Kaminski Wojcik Petrov Ivanov Smirnov Popov Volkov Kuznetsov Sokolov Shevchenko Kovalenko Bondarenko
    Horvat Kovac Popescu Ionescu Papadopoulos Nikolaidis Rossi Ferrari Esposito Bianchi Romano Colombo Ricci Marino
    Greco Bruno Gallo Conti DeLuca Mancini Rizzo Lombardi Moretti Muller Müller Schäfer Fischer Becker Hoffmann
    Richter Krüger Lehmann Köhler Herrmann Kaiser Dubois Laurent Lefebvre Leroy Moreau Girard Bonnet Fontaine Rousseau
    Lemaire Andersson Johansson Karlsson Nilsson Eriksson Larsson Olsson Persson Svensson Gustafsson Lindqvist
    Lindberg Bergstrom Hansen Pedersen Nielsen Jorgensen Petersen Haugen Berg Virtanen Korhonen Jansen Visser Bakker
    Mulder Vermeulen Peeters Janssens Yilmaz Kaya Demir Celik Sahin Ozturk Khan Patel Singh Kaur Sharma Gupta Verma
    Mehta Shah Desai Joshi Iyer Nair Menon Reddy Rao Krishnan Subramanian Raman Chopra Kapoor Malhotra Khanna Bhatt
    Chatterjee Banerjee Mukherjee Sengupta Ghosh Bose Dutta Das Mishra Pandey Tiwari Trivedi Agarwal Aggarwal Bansal
    Jain Kulkarni Deshpande Patil Naidu Pillai Varma Choudhury Chowdhury Chaudhry Hussain Hussein Ahmed Ahmad Akhtar
    Malik Mahmood Iqbal Rahman Islam Begum Miah Siddiqui Qureshi Sheikh Shaikh Mirza Butt Bhatti Rashid Aziz Hassan
    Hasan Saleh Mansour Haddad Khoury Nasser Farouk Hamdan Abdullah Abdi Osman Yusuf Mohamud Okafor Okonkwo Okoye Eze
    Nwosu Nwankwo Obi Adeyemi Adebayo Adeleke Oyelaran Oladipo Balogun Ogunleye Olawale Afolabi Akande Mensah Owusu
    Boateng Asante Osei Appiah Agyeman Amoah Mwangi Kamau Otieno Ochieng Wanjiku Njoroge Kariuki Mutua Dlamini Nkosi
    Zulu Mokoena Ndlovu Moyo Sithole Tesfaye Bekele Haile Diallo Traore Keita Kone Camara Nguyen Tran Pham Huynh Phan
    Vu Dang Bui Truong Ngo Duong Trinh Zhang Wang Li Liu Chen Yang Huang Zhao Wu Zhou Xu Zhu Lin Guo Luo Zheng Liang
    Xie Tang Deng Feng Cheng Cai Peng Zeng Xiao Tian Dong Pan Yuan Jiang Chan Wong Leung Cheung Lau Ng Tsang Kwok
    Yeung Yip Tse Tam Fung Tanaka Suzuki Takahashi Watanabe Yamamoto Nakamura Kobayashi Kato Yoshida Yamada Sasaki
    Matsumoto Inoue Kimura Hayashi Shimizu Saito Sato Ito Yamaguchi Mori Ikeda Hashimoto Ishikawa Ogawa Fujita Okada
    Nakajima Dela Cruz Bautista Villanueva Dizon Manalo Lim Tan Goh Teo Ong Chua Koh Widodo Santoso Wijaya Rosen
    Goldberg Goldstein Friedman Katz Cohen Shapiro Greenberg Feldman Abrams Epstein Rubin Weinstein Whitlock Thorne
    Hartman Hollis Langston Prentice Ashworth Bellweather Merriweather Castellano Castellanos Delacroix Fontana
    Esparza Quintana Villalobos Arroyo Cisneros Duarte Enriquez Gallegos Huerta Juarez Lara Leon Lozano Lugo Macias
    Marquez Mora Olivares Orozco Palacios Rangel Rosales Rubio Salas Salinas Serrano Tapia Valdez Valencia Valenzuela
    Velez Vera Villa Zavala Zuniga Akintola Abubakar Bello Danjuma Ibrahim Musa Suleiman Usman Achebe Chukwu Emezie
    Igwe Nnamdi Onyeka Uche Ugochukwu Fashola Babatunde Olatunji Sowande
""")
)
# Family names that are words as well: they need a known given name before them.
WORDY = frozenset(
    words("""
    Brown White Green Young King Hill Price Long Cook Bell Wood Stone Lee Ward Hall Baker Hunt Knight Day Bush Banks
    Bishop Field Fields Fish Ford Gates Golden Good Grant Hood Hunter Lane Law Lord Major March Mann May Park Parks
    Paul Pope Poole Rich Rivers Rose Short Small Street Strong Sharp Summers Walker Wall Wise Wolf Best Church Cross
    Crane Cruise Dean Duke Early Farmer Flood Frank Glass Hand Head Heart House Judge Key Lake Little Mark Mason Moon
    Nurse Penny Pond Post Rush Sands Self Shore Singer Speed Spring Starr Steel Sweet Temple Waters West Winter Ball
    Bird Bond Boss Branch Bridges Case Chance Chase Dale Dolan English Fair Gold Hope Horn Lamb Marks Miles Noble Page
    Paige Pike Power Powers Love Sparks Snow Black Gray Grey Ray Ross Rice Barron Berry Burns Cannon Carpenter
    Chambers Clay Cobb Fisher Flowers Forest Fox French Frost Gardner Graves Hale Heath Holland Kent Logan London
    Lynch Marsh Marshall Martin Mills Moody Moss Nash Parish Peck Porter Potter Sage Savage Skinner Slaughter Smart
    Stark Tanner Tyler Valentine Vance Wells Wheeler Wilder Winters Woods Jordan Warren Dawn Jackson Houston Lincoln
    Austin Washington Lancaster Richmond Bristol Durham Bradford Oxford Milton Denver Li Ng Wu Xu Pan Das Ho Do An Vu
    Tan Tang Dong Lin Cruz Dela Villa Costa Santiago Santos Valencia Leon Vera Lara Mora Berg Stein Islam Bruno Mercer
    Barlow Chandler Stanley Morgan
""")
)
SURE_SURNAMES = SURNAMES - WORDY
